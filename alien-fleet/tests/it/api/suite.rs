//! The checks of the calls of a fleet, whatever keeps it and however calls come.

/// Gives each check to a macro, which makes tests of them.
macro_rules! suite {
    ($each:ident) => {
        $each! {
            same::what_is_read_is_the_same
            same::logs_and_commands_are_the_same_and_the_log_tells_who_had_them
            same::what_is_changed_is_what_the_fleet_has
            same::a_zip_is_sent_if_the_fleet_lacks_it
            same::twenty_clients_at_once_are_all_answered
            refused::a_field_that_is_not_known_is_refused_by_its_name_by_every_call_and_at_every_depth
            refused::every_problem_is_told_at_once
            refused::a_release_with_problems_is_refused_before_a_zip_is_sent
            refused::a_zip_of_another_digest_is_refused
            refused::bodies_and_limits_have_bounds
            refused::a_call_that_is_not_there_is_told_as_an_error
            refused::a_record_is_added_under_its_own_id
        }
    };
}

/// Makes a test of each check.
macro_rules! tests {
    ($($part:ident::$test:ident)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            super::$part::$test().await;
        }
    )+};
}

suite!(tests);
