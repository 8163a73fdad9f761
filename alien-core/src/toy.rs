//! What a new kind takes, and what a new cloud takes.
//!
//! The kind: in the core, `resource/bell.rs` has its settings and their bounds, `kind.rs` has an entry for it, and
//! `resource/mod.rs` and `resource/any.rs` include it. On a cloud it is one file, here the module `bell`, and an entry
//! in the cloud's list of kinds.
//!
//! The cloud: the module `cloud`. It has no documents that could be read back, so it creates its review itself, by
//! [`Documented`](crate::adapter::Documented). A cloud outside of this crate that has documents is `tests/it/toy.rs`.

/// `bell` on the toy cloud: its sets, its names, its calls.
mod bell {
    use async_trait::async_trait;

    use super::cloud::{Bells, Context, Place, Toy, get, look, make, operations as op, remove, set};
    use crate::adapter::{Change, Marks, Observed, On, Operate, Placed, Reconcile, Removal, Rows};
    use crate::resource::Bell;
    use crate::{Data, Health, Heartbeat, Problem, Result, Rule, Set};

    impl On<Toy> for Bell {
        fn set(set: Set) -> Rows<Toy> {
            match set {
                Set::Heartbeat => &[op::LISTEN],
                Set::Management => &[op::TUNE],
                Set::Provision => &[op::HANG, op::TAKE],
                Set::Reconfigure => &[op::TUNE],
                Set::Setup => &[op::SIGN],
                _ => &[],
            }
        }

        fn name(&self, placed: &Placed<'_, Toy>, things: &mut Vec<(Place, String)>) {
            things.push((Place::Bell, format!("bells/{}-{}", placed.target.town, placed.id())));
        }

        fn check(&self, _: &Placed<'_, Toy>, problems: &mut Vec<Problem>) {
            if self.volume == 11 {
                let what = "its volume is 11, and toy has no louder bell than 10".to_owned();
                problems.push(Problem::error(Rule::Cloud, what, "set it to 10 at most".to_owned()));
            }
        }
    }

    #[async_trait]
    impl Reconcile<Toy, Bells> for Bell {
        async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
            look(cx, op::LISTEN).await
        }

        async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
            make(cx, op::HANG, marks).await
        }

        async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
            set(cx, op::TUNE, "volume", &self.volume.to_string()).await?;
            set(cx, op::SIGN, Marks::FINGERPRINT, &marks.seal()).await
        }

        async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
            remove(cx, op::TAKE).await
        }
    }

    #[async_trait]
    impl Operate<Toy, Bells> for Bell {
        async fn heartbeat(&self, cx: Context<'_>) -> Result<Heartbeat> {
            let volume = get(cx, op::LISTEN, "volume").await?.unwrap_or_default();
            Ok(Heartbeat::new(Health::Healthy, format!("it rings at {volume}")))
        }

        async fn update(&self, cx: Context<'_>, change: &Change) -> Result<()> {
            set(cx, op::TUNE, "volume", &change.settings::<Self>()?.volume.to_string()).await
        }
    }
}

/// A cloud that only knows the kinds in its list. It has things with marks on them, and identities.
mod cloud {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use async_trait::async_trait;
    use jiff::Timestamp;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use crate::adapter::{
        Answer, Assume, AssumeRequest, AssumedSession, CallContext, Claim, Cloud, CloudTarget, Documented, Holder,
        Kinds, Layout, Marks, Observed, Operation, Placed, Proof, Provider, Reconcile, ReconcileIdentity, Removal,
        ResultExt, Rows, Table,
    };
    use crate::resource::Bell;
    use crate::{
        Comparison, Data, Error, ErrorKind, Field, Grants, Prefix, Problem, Problems, RenderError, Report, Result,
        Review, Reviewed, Rule, Stack,
    };

    #[derive(Debug, Clone, Copy, PartialEq)]
    pub(super) struct Toy;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(super) enum Place {
        Bell,
        Identity,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Town {
        pub(super) town: Prefix,
    }

    impl CloudTarget for Town {
        type Cloud = Toy;
    }

    #[expect(unreachable_pub, reason = "tables are made for the crates of clouds")]
    pub(super) mod operations {
        use super::Place;

        crate::operations! {
            on Place;
            source "https://example.com/toy" {
                LISTEN = "bell.listen" on Bell, Observe;
                HANG = "bell.hang" on Bell, Create;
                TAKE = "bell.take" on Bell, Delete;
                TUNE = "bell.tune" on Bell, Update;
                SIGN = "bell.sign" on Bell, Control;
                MEET = "identity.meet" on Identity, Observe;
                ADMIT = "identity.admit" on Identity, Control;
            }
        }
    }
    use operations as op;

    impl Cloud for Toy {
        const NAME: &'static str = "toy";
        const TARGET: &'static [Field] = &[Field::place::<Prefix>("town", "where the bells hang")];

        type Scope = Place;
        type Target = Town;
        type Kinds = (Bell,);

        fn operations() -> &'static Table<Place> {
            &op::TABLE
        }

        fn identity_set() -> Rows<Self> {
            &[op::MEET, op::ADMIT]
        }

        fn shared_set() -> Rows<Self> {
            &[]
        }

        fn is_shared(_: Place) -> bool {
            false
        }

        fn name_shared(_: &Stack, _: &Town, _: &mut Vec<(Place, String)>) {}

        fn name_identity(holder: &Holder, Town { town }: &Town, things: &mut Vec<(Place, String)>) {
            things.push((Place::Identity, format!("identities/{town}-{}", holder.name())));
        }
    }

    impl Documented for Toy {
        fn reviewed(stack: &Stack, target: &Town) -> Result<Reviewed, RenderError> {
            let mut problems = Vec::new();
            for resource in stack.resources() {
                let placed = Placed::<Self> { stack, resource, target };
                <Self as Cloud>::Kinds::check(&placed, &mut problems);
            }
            let warnings = Problems::none(problems).map_err(RenderError::Problems)?;
            let (cloud, reach) = (Self::NAME.into(), stack.reach());
            let (layers, breaches, disclosures) = (Vec::new(), Vec::new(), Vec::new());
            let report = Report { cloud, layers, checked: 0, breaches, disclosures, reach };
            let (cloud, rows, notes) = (Self::NAME.into(), Vec::new(), Vec::new());
            let (trust, grants, ends) = (Vec::new(), Vec::new(), String::new());
            let stack_name = stack.name().to_string();
            let review =
                Review { cloud, stack: stack_name, pulled: None, trust, ends, rows, beyond: Vec::new(), grants, notes };
            let (sizes, guardrails, registry_grants) = (Vec::new(), Vec::new(), Vec::new());
            Ok(Reviewed { documents: Value::Null, report, review, sizes, warnings, guardrails, registry_grants })
        }

        fn audited(_: &Stack, _: &Town, _: &str) -> Result<Report, Problems> {
            let (what, help) = ("toy has no documents", "look at the review");
            Err(Problems(vec![Problem::error(Rule::Cloud, what.to_owned(), help.to_owned())]))
        }

        fn collected(_: &Stack, _: &Town, _: &[Answer]) -> Result<String, Problems> {
            let (what, help) = ("toy has no documents", "look at the review");
            Err(Problems(vec![Problem::error(Rule::Cloud, what.to_owned(), help.to_owned())]))
        }

        fn compared(_: &str, _: &str) -> Result<Comparison, Problems> {
            let (what, help) = ("toy has no documents", "look at the review");
            Err(Problems(vec![Problem::error(Rule::Cloud, what.to_owned(), help.to_owned())]))
        }

        fn identity_text(_: &Layout<Self>, grants: &Grants) -> String {
            format!("{grants:?}")
        }
    }

    /// The bells and the identities, by name, with the marks on each.
    #[derive(Debug, Clone, Default)]
    pub(super) struct Bells(Arc<Mutex<BTreeMap<String, BTreeMap<String, String>>>>);

    impl Bells {
        pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, String>>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(super) type Context<'a> = CallContext<'a, Toy, Bells>;
    type Row = &'static Operation<Place>;
    type Words = BTreeMap<String, String>;

    async fn with<T: Send>(cx: Context<'_>, row: Row, work: impl Fn(&mut Words) -> T + Send + Sync) -> Result<T> {
        let name = cx.full_name(row.on)?;
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no {name}"));
        cx.call(&[row], || async { cx.clients.lock().get_mut(name).map(&work).ok_or_else(missing) }).await
    }

    pub(super) async fn look(cx: Context<'_>, row: Row) -> Result<Observed> {
        let (id, own) = (cx.full_name(row.on)?, cx.deployment().owner());
        let seen =
            with(cx, row, |words| Observed::marked(id, own, words.iter().map(|(n, v)| (n.as_str(), v.as_str()))));
        Ok(seen.await.optional()?.unwrap_or(Observed::Absent))
    }

    pub(super) async fn make(cx: Context<'_>, row: Row, marks: &Marks) -> Result<()> {
        let name = cx.full_name(row.on)?;
        let words: Words = marks.ownership(name).map(|(name, value)| (name.to_owned(), value)).into();
        let hang = || async {
            cx.clients.lock().entry(name.to_owned()).or_insert_with(|| words.clone());
            Ok(())
        };
        cx.call(&[row], hang).await
    }

    pub(super) async fn set(cx: Context<'_>, row: Row, word: &str, value: &str) -> Result<()> {
        with(cx, row, |words| drop(words.insert(word.to_owned(), value.to_owned()))).await
    }

    pub(super) async fn get(cx: Context<'_>, row: Row, word: &str) -> Result<Option<String>> {
        with(cx, row, |words| words.get(word).cloned()).await
    }

    pub(super) async fn remove(cx: Context<'_>, row: Row) -> Result<Removal> {
        let name = cx.full_name(row.on)?;
        let take = || async {
            cx.clients.lock().remove(name);
            Ok(Removal::Gone)
        };
        cx.call(&[row], take).await
    }

    struct Identities;

    #[async_trait]
    impl Reconcile<Toy, Bells> for Identities {
        async fn observe(&self, cx: Context<'_>) -> Result<Observed> {
            look(cx, op::MEET).await
        }

        async fn create(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
            make(cx, op::ADMIT, marks).await
        }

        async fn configure(&self, cx: Context<'_>, marks: &Marks) -> Result<()> {
            set(cx, op::ADMIT, Marks::FINGERPRINT, &marks.seal()).await
        }

        async fn delete(&self, cx: Context<'_>, _: Data) -> Result<Removal> {
            remove(cx, op::ADMIT).await
        }
    }

    #[async_trait]
    impl ReconcileIdentity<Toy, Bells> for Identities {
        async fn claim(&self, cx: Context<'_>) -> Result<Option<Claim>> {
            Ok(get(cx, op::MEET, Marks::CLAIM).await?.and_then(|claim| claim.parse().ok()))
        }

        async fn write_claim(&self, cx: Context<'_>, claim: Option<&Claim>) -> Result<()> {
            set(cx, op::ADMIT, Marks::CLAIM, &claim.map(ToString::to_string).unwrap_or_default()).await
        }

        async fn revoke(&self, cx: Context<'_>) -> Result<()> {
            set(cx, op::ADMIT, Marks::FINGERPRINT, "").await
        }
    }

    #[async_trait]
    impl Provider<Toy> for Bells {
        type Clients = Self;

        async fn clients(&self) -> Result<&Self> {
            Ok(self)
        }

        fn identity(&self) -> &dyn ReconcileIdentity<Toy, Self> {
            &Identities
        }

        async fn preflight(&self, _: Context<'_>) -> Result<Vec<Problem>> {
            Ok(Vec::new())
        }
    }

    #[async_trait]
    impl Assume<Toy> for Bells {
        type Clients = Self;

        fn operation(&self) -> &'static str {
            "identity.assume"
        }

        fn wrong_proofs(&self) -> &'static [Proof] {
            &[]
        }

        async fn assume(&self, _: &AssumeRequest<Toy>) -> Result<AssumedSession<Self>> {
            Ok(AssumedSession { clients: self.clone(), expires: Timestamp::MAX })
        }
    }
}

mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::Timestamp;

    use super::cloud::{Bells, Town, Toy};
    use crate::adapter::{Cloud, Documented, Engine, Impersonator, SubjectType};
    use crate::memory::{self, Memory};
    use crate::permission::{ForManagement, SetOf};
    use crate::resource::Bell;
    use crate::{
        Admin, Artifacts, CallConfig, Clock, Data, DeploymentId, ErrorKind, Health, Kind, Manager, Release, Set,
        SetName, Stack,
    };

    /// A clock whose time stands still. Waiting on it uses tokio's timer.
    #[derive(Debug)]
    struct Still;

    #[async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }

    fn bells(door: u32, tower: u32) -> Stack {
        let mut stack = Stack::builder("bells");
        stack.live("door", Bell { volume: door });
        stack.frozen("tower", Bell { volume: tower });
        stack.build().unwrap()
    }

    fn town() -> Town {
        Town { town: "ham".parse().unwrap() }
    }

    #[test]
    fn a_kind_is_read_checked_and_named_as_all_others_are() {
        let stack = bells(3, 0);
        let written = serde_json::to_string(&stack).unwrap();
        assert!(written.contains(r#"{"id":"door","type":"bell","lifecycle":"live","volume":3}"#), "{written}");
        assert_eq!(Stack::from_json(&written).unwrap(), stack);
        let wrong = written.replace(r#""volume":3"#, r#""volume":12,"colour":"red""#);
        let told = Stack::from_json(&wrong).unwrap_err().to_string();
        assert!(told.contains("`door`: `colour`: unknown field `colour`"), "{told}");
        let loud = Stack::from_json(&written.replace(":3", ":12")).unwrap_err().to_string();
        assert_eq!(loud, "error: `door`: volume is 12; set it to 0 to 11");
        assert!(crate::schema().to_string().contains(r#"{"const":"bell"}"#));

        let name = SetName::named("bell/heartbeat").unwrap();
        assert_eq!((name.kind, name.set), (Kind::Bell, Set::Heartbeat));
        assert_eq!(SetName::named("bell/data-read"), None, "it holds no data");
        let diff = bells(4, 0).diff(&stack);
        assert!(diff.admin_only().is_empty(), "{diff:?}");
        assert_eq!(bells(3, 1).diff(&stack).admin_only().len(), 1);
    }

    /// On a cloud with documents, rendering, audit and review know it as well.
    #[test]
    fn a_kind_is_rendered_and_reviewed() {
        let mut stack = Stack::builder("bells");
        let door = stack.live("door", Bell { volume: 3 });
        stack.frozen("tower", Bell::default());
        stack.extend(&door, [SetOf::<Bell, ForManagement>::new(Set::Provision)]);
        let stack = stack.build().unwrap();
        let reviewed = Memory::reviewed(&stack, &memory::Target::new("ham").unwrap()).unwrap();
        let [door, tower] = reviewed.review.rows.as_slice() else { panic!("{reviewed:?}") };
        assert_eq!((door.kind, door.id.as_str()), (Kind::Bell, "bell/ham-door-3"));
        assert!(door.can.contains(&"create or delete it (extended)".to_owned()), "{door:?}");
        assert_eq!(tower.can, ["see its health and settings"]);
    }

    #[test]
    fn a_cloud_knows_a_kind_by_its_list_alone() {
        let names = |set| Toy::set(SubjectType::Kind(Kind::Bell), set).iter().map(|row| row.call).collect::<Vec<_>>();
        assert_eq!(names(Set::Provision), ["bell.hang", "bell.take"]);
        assert!(Toy::set(SubjectType::Kind(Kind::Queue), Set::Provision).is_empty());
        let told = |stack: &Stack| Toy::reviewed(stack, &town()).unwrap_err().to_string();
        assert!(told(&bells(11, 0)).contains("toy has no louder bell than 10"));
        let mut queue = Stack::builder("queue");
        queue.live("jobs", crate::Queue::new());
        assert!(told(&queue.build().unwrap()).contains("toy has no queue"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_is_set_up_watched_updated_and_taken_down() {
        let (bells_there, calls) = (Bells::default(), CallConfig::new(Arc::new(Still)));
        let id = DeploymentId::from(uuid::Uuid::from_u128(1));
        let admin = Admin::new(Engine::<Toy, _>::new(bells_there.clone(), id, town(), calls.clone()));
        let up = async |stack: Stack, previous| {
            let plan = admin.plan(&Release::partial(stack, Artifacts::default())).previous(previous).await?;
            admin.apply(&plan).await
        };
        let record = up(bells(3, 5), None).await.unwrap();
        let names: Vec<String> = bells_there.lock().keys().cloned().collect();
        assert_eq!(names, ["bells/ham-door", "bells/ham-tower", "identities/ham-management"]);
        assert_eq!(up(bells(3, 5), Some(&record)).await.unwrap(), record);
        let refused = up(bells(3, 6), Some(&record)).await.unwrap_err();
        assert!(refused.to_string().contains("`tower`: it is frozen, and its settings changed"), "{refused}");

        let manager = Manager::new(Arc::new(Impersonator::<Toy, _>::new(bells_there.clone(), calls)), record);
        let handles = manager.resources();
        let beat = manager.heartbeat(&handles[0]).await.unwrap();
        assert_eq!((beat.health, beat.reason.as_str()), (Health::Healthy, "it rings at 3"));
        let release = |stack| Release::partial(stack, Artifacts::default());
        manager.release(&release(bells(7, 5))).await.into_result().unwrap();
        assert_eq!(manager.heartbeat(&handles[0]).await.unwrap().reason, "it rings at 7");
        let refused = manager.release(&release(bells(7, 6))).await.into_result().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Input, "{refused}");
        let remains =
            admin.destroy(&manager.deployment()).data(Data::Delete).run("down".parse().unwrap()).await.unwrap();
        assert!(remains.kept.is_empty() && remains.foreign.is_empty() && bells_there.lock().is_empty(), "{remains:?}");
    }
}
