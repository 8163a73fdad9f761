//! One test suite for every cloud: it checks the documents of any stack, whichever cloud renders them.
//!
//! A cloud's tests call [`document_suite!`](crate::document_suite) with the cloud's type, a function that makes a
//! target from a prefix, and one that plants a permission in documents. The suite judges documents only by the cloud's
//! evaluator, one permission and one resource at a time. It shares no logic with the audit, and both must agree.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite reports failures by panicking"
)]

pub mod adversary;
pub mod agreed;
pub mod altered;
pub mod arm;
pub mod azurite;
pub mod bootstrap;
pub mod broken;
pub mod brute;
pub mod collected;
pub mod contracts;
pub mod fleet;
pub mod golden;
pub mod interleaved;
pub mod interrupted;
pub mod json;
pub mod life;
pub mod machine;
pub mod marked;
pub mod ministack;
pub mod mistakes;
pub mod oracle;
pub mod peer;
pub mod postgres;
pub mod printed;
pub mod pulled;
pub mod seed;
pub mod stacks;
pub mod suite;
pub mod upgrade;
pub mod world;
pub mod writes;

pub use proptest;

/// Generates the tests of a cloud's documents.
#[macro_export]
macro_rules! document_suite {
    ($cloud:ty, $target:path, $plant:path) => {
        #[test]
        fn generated_stacks_keep_every_promise() {
            $crate::suite::generated_stacks_keep_every_promise::<$cloud>($target);
        }

        #[test]
        fn frozen_and_live_of_the_same_kind_stand_beside_each_other() {
            $crate::suite::frozen_and_live_of_the_same_kind_stand_beside_each_other::<$cloud>($target);
        }

        #[test]
        fn a_deployment_cannot_touch_one_whose_name_begins_alike() {
            $crate::suite::a_deployment_cannot_touch_one_whose_name_begins_alike::<$cloud>($target);
        }

        #[test]
        fn the_order_of_resources_changes_nothing() {
            $crate::suite::the_order_of_resources_changes_nothing::<$cloud>($target);
        }

        #[test]
        fn no_two_pairs_of_prefix_and_id_share_a_name() {
            $crate::suite::no_two_pairs_of_prefix_and_id_share_a_name::<$cloud>($target);
        }

        #[test]
        fn sixty_resources_fit_and_three_hundred_fit_or_are_refused_by_the_name_of_the_limit() {
            $crate::suite::sixty_resources_fit_and_three_hundred_fit_or_are_refused::<$cloud>($target);
        }

        #[test]
        fn sets_hold_only_what_their_name_says() {
            $crate::suite::sets_hold_only_what_their_name_says::<$cloud>();
        }

        #[test]
        fn documents_are_read_back_as_they_were_written() {
            $crate::suite::documents_are_read_back_as_they_were_written::<$cloud>($target);
        }

        #[test]
        fn a_planted_permission_breaks_a_promise_exactly_where_it_was_not_given() {
            $crate::suite::a_planted_permission_breaks_a_promise_exactly_where_it_was_not_given::<$cloud>(
                $target, $plant,
            );
        }

        #[test]
        fn documents_with_any_part_replaced_are_refused_or_audited() {
            $crate::suite::documents_with_any_part_replaced_are_refused_or_audited::<$cloud>($target);
        }

        #[test]
        fn documents_of_one_layer_do_not_pass_for_another() {
            $crate::suite::documents_of_one_layer_do_not_pass_for_another::<$cloud>($target);
        }
    };
}
