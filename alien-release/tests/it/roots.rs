//! Root files: who signs, how keys are changed, and what is refused.

use alien_core::{Error, ErrorKind, RootDigest};
use alien_release::{KeyRole, PublicKey, Root, RootDraft, RootKeys, SigningKey};
use serde_json::Value;

use crate::forged::signed_by;
use crate::vendor::{BEGIN, Vendor};

fn key() -> PublicKey {
    *SigningKey::generate().unwrap().public()
}

#[track_caller]
fn told<T: std::fmt::Debug>(result: Result<T, Error>, kind: ErrorKind, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn keys_are_checked_and_every_problem_is_told() {
    let [a, b, c, release, online] = std::array::from_fn(|_| key());
    let good = RootKeys::new(2, [a, b], release, online).unwrap();
    assert_eq!((good.threshold(), good.keys(KeyRole::Root)), (2, &[a, b][..]));
    assert_eq!((good.keys(KeyRole::Release), good.keys(KeyRole::Online)), (&[release][..], &[online][..]));
    for (key, role) in
        [(b, Some(KeyRole::Root)), (release, Some(KeyRole::Release)), (online, Some(KeyRole::Online)), (c, None)]
    {
        assert_eq!(good.role(&key), role);
    }
    let input = ErrorKind::Input;
    told(RootKeys::new(1, [a, b], release, online), input, "1 root keys must sign, and at least 2 are needed");
    told(RootKeys::new(3, [a, b], release, online), input, "3 root keys must sign, and there are 2");
    told(RootKeys::new(2, [a, a], release, online), input, "is given as root key and as root key");
    told(RootKeys::new(2, [a, b], a, online), input, "is given as root key and as release key");
    told(RootKeys::new(2, [a, b], release, release), input, "is given as release key and as online key");
    let many = || std::array::from_fn::<_, 17, _>(|_| key());
    told(RootKeys::new(2, many(), release, online), input, "there are 17 root keys, and at most 16 are taken");
    assert!(RootKeys::new(2, many().into_iter().take(16), release, online).is_ok());
    let error = RootKeys::new(1, [a], a, a).unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");

    let three = good.clone().add(KeyRole::Root, c).unwrap();
    assert_eq!(three.keys(KeyRole::Root), [a, b, c]);
    assert_eq!(three.clone().with_threshold(3).unwrap().threshold(), 3);
    told(three.clone().with_threshold(4), input, "4 root keys must sign, and there are 3");
    told(three.clone().with_threshold(1), input, "at least 2 are needed");
    assert_eq!(three.clone().revoke(&a).unwrap().keys(KeyRole::Root), [b, c]);
    told(good.clone().revoke(&a), input, "2 root keys must sign, and there are 1");
    told(good.clone().revoke(&release), input, "there is no release key");
    told(good.clone().revoke(&online), input, "there is no online key");
    told(good.clone().revoke(&c), input, "is not one of the repository's");
    let two = good.clone().add(KeyRole::Release, c).unwrap();
    assert_eq!(two.revoke(&release).unwrap().keys(KeyRole::Release), [c]);
    assert_eq!(good.clone().add(KeyRole::Online, c).unwrap().keys(KeyRole::Online), [online, c]);
    assert_eq!(good.clone().replace(&online, c).unwrap().keys(KeyRole::Online), [c]);
    assert_eq!(good.clone().replace(&a, c).unwrap().keys(KeyRole::Root), [c, b]);
    told(good.clone().replace(&c, a), input, "is not one of the repository's");
    told(good.replace(&a, b), input, "is given as root key and as root key");
}

#[tokio::test]
async fn a_root_file_is_signed_by_as_many_as_it_asks_for() {
    let [a, b, c, release, online] = std::array::from_fn(|_| SigningKey::generate().unwrap());
    let keys = RootKeys::new(2, [&a, &b, &c].map(|key| *key.public()), *release.public(), *online.public()).unwrap();
    let mut draft = RootDraft::first(&keys, BEGIN).unwrap();
    assert_eq!(draft.keys().unwrap(), keys);
    told(draft.sign(&release).await, ErrorKind::Input, "is no root key");
    draft.sign(&a).await.unwrap();
    // Once more is not twice.
    draft.sign(&a).await.unwrap();
    told(draft.clone().finish(), ErrorKind::Rejected, "root file 1 is not signed by enough of its own root keys");
    // It is carried to another machine.
    let mut draft = RootDraft::from_json(&draft.to_json().unwrap(), None).unwrap();
    draft.sign(&c).await.unwrap();
    let root = draft.finish().unwrap();
    assert_eq!((root.version(), root.file_name()), (1, "1.root.json".to_owned()));
    assert_eq!(root.expires().to_string(), "2030-01-14T08:00:00Z");
    assert_eq!(root.keys().unwrap(), keys);

    let read = Root::from_json(root.to_json()).unwrap();
    assert_eq!(read, root);
    let digest: RootDigest = format!("sha256:{}", hex(root.to_json())).parse().unwrap();
    assert_eq!(*read.digest(), digest);
    let text = String::from_utf8(root.to_json().to_vec()).unwrap();
    // What was signed is not changed any more.
    let longer = text.replace("2030-", "2040-");
    told(Root::from_json(longer.as_bytes()), ErrorKind::Input, "root file 1 is not signed as it says itself");
    told(Root::from_json(b"{}"), ErrorKind::Input, "this is not a root file");
    told(Root::from_json(&vec![b' '; 65_537]), ErrorKind::Input, "it has 65537 bytes, and a root file at most 65536");
    told(Root::from_json(&vec![b' '; 65_536]), ErrorKind::Input, "this is not a root file");
    told(RootDraft::from_json(&vec![b' '; 65_537], None), ErrorKind::Input, "a root file at most 65536");
    told(RootDraft::from_json(b"[]", None), ErrorKind::Input, "this is not a root file");
    told(
        RootDraft::from_json(root.to_json(), Some(&root)),
        ErrorKind::Input,
        "this is root file 1, and the next is root file 2",
    );
}

fn hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_root_file_whose_version_is_so_large_that_none_follows_is_refused() {
    let vendor = Vendor::new().await;
    let mut root: Value = serde_json::from_slice(vendor.root.to_json()).unwrap();
    let [a, b, _] = &vendor.roots;
    root["signed"]["version"] = ((1_u64 << 53) - 1).into();
    assert_eq!(Root::from_json(signed_by(&root["signed"], &[a, b]).as_bytes()).unwrap().version(), (1 << 53) - 1);
    root["signed"]["version"] = (1_u64 << 53).into();
    let read = Root::from_json(signed_by(&root["signed"], &[a, b]).as_bytes());
    told(read, ErrorKind::Input, "its version, 9007199254740992, is above 9007199254740991");
}

#[tokio::test]
async fn the_next_root_file_is_signed_by_enough_keys_of_both() {
    let vendor = Vendor::new().await;
    let [a, b, c] = &vendor.roots;
    let [d, e] = std::array::from_fn(|_| SigningKey::generate().unwrap());
    // Two of three are changed at once.
    let keys = vendor.root.keys().unwrap().replace(a.public(), *d.public()).unwrap();
    let keys = keys.replace(b.public(), *e.public()).unwrap();
    let draft = RootDraft::after(&vendor.root, &keys, BEGIN).unwrap();
    let mut new_alone = draft.clone();
    new_alone.sign(&d).await.unwrap();
    new_alone.sign(&e).await.unwrap();
    told(new_alone.finish(), ErrorKind::Rejected, "root file 2 is not signed by enough root keys of root file 1");
    let mut old_alone = draft.clone();
    old_alone.sign(a).await.unwrap();
    old_alone.sign(b).await.unwrap();
    told(old_alone.finish(), ErrorKind::Rejected, "root file 2 is not signed by enough of its own root keys");
    let mut both = RootDraft::from_json(&draft.to_json().unwrap(), Some(&vendor.root)).unwrap();
    for key in [a, c, &d] {
        both.sign(key).await.unwrap();
    }
    told(both.sign(&SigningKey::generate().unwrap()).await, ErrorKind::Input, "is no root key");
    let second = both.finish().unwrap();
    assert_eq!((second.version(), second.file_name()), (2, "2.root.json".to_owned()));
    vendor.root.precedes(&second).unwrap();
    told(second.precedes(&second), ErrorKind::Rejected, "root file 2 does not come after root file 2");
    told(second.precedes(&vendor.root), ErrorKind::Rejected, "root file 1 does not come after root file 2");
    // A key that was taken out does not sign the third.
    let mut third = RootDraft::after(&second, &second.keys().unwrap(), BEGIN).unwrap();
    told(third.sign(a).await, ErrorKind::Input, "is no root key");
    third.sign(&d).await.unwrap();
    third.sign(&e).await.unwrap();
    let third = third.finish().unwrap();
    told(vendor.root.precedes(&third), ErrorKind::Rejected, "root file 3 does not come after root file 1");
}

#[tokio::test]
async fn a_lost_root_key_is_taken_out_by_the_others() {
    let mut vendor = Vendor::with_release().await;
    let lost = *vendor.roots[2].public();
    let root = vendor.change(|keys| keys.revoke(&lost)).await;
    vendor.repository().add_root(&root).await.unwrap();
    assert_eq!(vendor.repository().root().unwrap().keys().unwrap().keys(KeyRole::Root).len(), 2);
    assert_eq!(vendor.customer("customer").decide(1.into()).await.unwrap().sequence(), 1.into());
}

#[tokio::test]
async fn a_root_file_of_another_program_is_read_and_its_keys_are_told() {
    // The snapshot and the timestamp have keys of their own: TUF allows it, and these programs do not make it.
    let vendor = Vendor::new().await;
    let mut root: Value = serde_json::from_slice(vendor.root.to_json()).unwrap();
    let release = root["signed"]["roles"]["targets"]["keyids"].clone();
    root["signed"]["roles"]["snapshot"]["keyids"] = release;
    let draft = RootDraft::from_json(root.to_string().as_bytes(), None).unwrap();
    told(draft.keys(), ErrorKind::Unsupported, "its snapshot and its timestamp are signed by different keys");
    root["signed"]["roles"]["root"]["threshold"] = 1.into();
    root["signed"]["roles"]["snapshot"] = root["signed"]["roles"]["timestamp"].clone();
    let draft = RootDraft::from_json(root.to_string().as_bytes(), None).unwrap();
    told(draft.keys(), ErrorKind::Input, "1 root keys must sign, and at least 2 are needed");
}
