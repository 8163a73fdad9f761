//! What a session of the vendor does with a kind of resource on a cloud.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::call::{CallContext, last};
use crate::cloud::{Cloud, Kinds, On, for_tuples};
use crate::error::{Error, ErrorKind, Result};
use crate::manage::{Change, Command, Heartbeat, LogPage, LogQuery, Runs};
use crate::name::RELEASE_VARIABLE;
use crate::reconcile::Reconcile;
use crate::resource::Resource;

/// The vendor's calls about one kind of resource; its settings implement this. A kind implements only the methods that
/// it supports. `K` are the clients of the cloud's services.
#[async_trait]
pub trait Operate<C: Cloud, K: Sync>: Reconcile<C, K> {
    /// Returns the health of the resource. May fail with [`NotFound`](ErrorKind::NotFound) if the resource does not
    /// exist.
    async fn heartbeat(&self, cx: CallContext<'_, C, K>) -> Result<Heartbeat>;

    /// Returns what runs of the resource, of the part that the vendor may change: a set-up leaves that part, and a
    /// release compares with it. It takes no more permissions than the heartbeat. By default, nothing is told.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the resource does not exist.
    async fn running(&self, _: CallContext<'_, C, K>) -> Result<Runs> {
        Ok(Runs::Untold)
    }

    /// Changes code and settings to what the change says, and waits until the resource works. If it does not, puts back
    /// what was there before, as far as possible.
    ///
    /// Where the cloud can tell that somebody else has changed the resource since the look that the change is based on
    /// ([`Change::revision`]), it is asked to refuse the write then, and what the other did is left as it is.
    ///
    /// # Errors
    ///
    /// [`Failed`](ErrorKind::Failed) if the resource does not work: the message has its state, the reason, and what
    /// runs now. [`Conflict`](ErrorKind::Conflict) if somebody else has changed it meanwhile: nothing was changed, unless
    /// [`was_sent`](Error::was_sent) says so.
    async fn update(&self, cx: CallContext<'_, C, K>, _: &Change) -> Result<()> {
        unsupported(cx, "is not updated by the vendor")
    }

    /// Starts new instances of the code and settings that run now, whatever the record says, and waits until they work.
    /// It takes no more permissions than an update, and changes nothing that is compared with a stack.
    ///
    /// # Errors
    ///
    /// [`Failed`](ErrorKind::Failed) if the new instances do not work; [`Conflict`](ErrorKind::Conflict) if somebody else
    /// has changed the resource meanwhile.
    async fn redeploy(&self, cx: CallContext<'_, C, K>) -> Result<()> {
        unsupported(cx, "has no instances to start anew")
    }

    /// Returns a page of the log.
    async fn logs(&self, cx: CallContext<'_, C, K>, _: &LogQuery) -> Result<LogPage> {
        unsupported(cx, "has no log")
    }

    /// Sends a command, and returns the answer.
    ///
    /// # Errors
    ///
    /// An error after which the command may be carried out all the same says so: [`Error::was_sent`].
    async fn dispatch(&self, cx: CallContext<'_, C, K>, _: &Command) -> Result<Vec<u8>> {
        unsupported(cx, "takes no commands")
    }

    /// The address of the resource that linked code gets: by default, the last part of its id. May make a call, if the
    /// cloud chooses the address while the resource is being set up.
    async fn address(&self, cx: CallContext<'_, C, K>) -> Result<String> {
        Ok(last(cx.deployment().id_of(cx.subject)).to_owned())
    }
}

fn unsupported<T, C: Cloud, K>(cx: CallContext<'_, C, K>, what: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, format!("a {} {what} on {}", cx.resource()?.kind(), C::NAME)))
}

/// Kinds with their calls. Implemented for tuples of settings that implement [`On`] and [`Operate`], and for nothing
/// else.
pub trait Operated<C: Cloud, K: Sync>: Kinds<C> {
    /// The calls about a resource; `None` if its kind is none of these.
    fn calls(resource: &Resource) -> Option<&dyn Operate<C, K>>;
}

macro_rules! tuples_of_operated_kinds {
    ($($kind:ident)+) => {
        impl<C: Cloud, K: Sync, $($kind: On<C> + Operate<C, K>),+> Operated<C, K> for ($($kind,)+) {
            fn calls(resource: &Resource) -> Option<&dyn Operate<C, K>> {
                $(if let Some(settings) = $kind::of(resource.settings()) {
                    return Some(settings);
                })+
                None
            }
        }
    };
}
for_tuples!(tuples_of_operated_kinds);

/// The calls about the resource that a context is about.
pub(crate) fn calls<'a, C, K: Sync>(cx: CallContext<'a, C, K>) -> Result<&'a dyn Operate<C, K>>
where
    C: Cloud<Kinds: Operated<C, K>>,
{
    let resource = cx.resource()?;
    let missing = || Error::new(ErrorKind::Unsupported, format!("{} has no {}", C::NAME, resource.kind()));
    C::Kinds::calls(resource).ok_or_else(missing)
}

/// The environment of a resource's code: the vendor's variables, the address of each linked resource, and the number of the release
/// that sets it, where it has one.
///
/// # Errors
///
/// Errors of [`Operate::address`].
pub async fn environment<C, K: Sync>(cx: CallContext<'_, C, K>, resource: &Resource) -> Result<BTreeMap<String, String>>
where
    C: Cloud<Kinds: Operated<C, K>>,
{
    let mut variables = resource.settings().compute().map(|compute| compute.environment.clone()).unwrap_or_default();
    for id in resource.links() {
        let linked = cx.about(cx.deployment().subject(id.as_str())?);
        variables.insert(id.variable(), calls(linked)?.address(linked).await?);
    }
    variables.extend(resource.mark.map(|release| (RELEASE_VARIABLE.to_owned(), release.to_string())));
    Ok(variables)
}
