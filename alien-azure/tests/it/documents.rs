//! What the documents say, as files to be reviewed.

use alien_azure::Azure;
use alien_conformance::golden;

use crate::target;

#[test]
fn documents_of_my_app() {
    golden::documents::<Azure>(target, |name, text| insta::assert_snapshot!(name, text));
}

#[test]
fn permissions_of_every_set() {
    insta::assert_snapshot!("sets", golden::sets::<Azure>());
}
