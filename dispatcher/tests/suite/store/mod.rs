//! The conformance suite of the store: each case is listed once and runs on every engine.
//!
//! A case is a function over [`harness::Engine`] in `cases/<topic>.rs`; a new engine is one line in `conformance!`.

pub mod build;
mod cases;
mod harness;
mod migrations;
mod postgres_only;
mod server;

/// One test for each case, in a module named for the engine.
macro_rules! engine {
    ($name:ident, $engine:ty, $($topic:ident { $($case:ident)+ })+) => {
        mod $name {
            use super::{cases, harness::Engine as _};
            $(mod $topic {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    cases::$topic::$case(<$engine>::create().await).await;
                })+
            })+
        }
    };
}

macro_rules! conformance {
    ($($cases:tt)+) => {
        engine!(sqlite, crate::store::harness::Sqlite, $($cases)+);
        engine!(postgres, crate::store::server::Postgres, $($cases)+);
    };
}

conformance! {
    record {
        every_field_of_a_text_is_read_back
        every_field_of_an_mms_is_read_back
        every_field_of_an_alimtalk_is_read_back
        an_accepted_message_is_read_back_with_its_receipt
        a_refused_message_keeps_why
        a_send_in_doubt_is_in_doubt
        a_failover_changes_the_way_and_the_sender_that_belongs_to_it
        images_are_kept_while_the_message_is_open_and_then_gone
        a_message_recorded_and_finished_in_one_batch_is_whole
        what_a_vendor_calls_a_message_is_kept_to_the_letter
        what_does_not_exist_is_not_found
    }
    idempotency {
        the_same_request_returns_the_message_that_it_made
        the_same_request_id_with_other_content_is_refused
        repeats_within_one_batch_are_told_apart_from_misuse
        request_ids_of_two_organisations_never_meet
        messages_without_a_request_id_never_meet
        a_hundred_repeats_through_several_writers_make_one_message
    }
    reports {
        a_report_moves_the_message
        the_same_event_again_changes_nothing_for_ever
        the_same_event_twice_in_one_batch_is_applied_once
        a_late_report_is_stale_and_only_noted
        a_second_final_result_is_a_conflict_and_the_first_stays
        a_word_that_nobody_knows_is_noted_and_changes_nothing
        an_event_that_moved_nothing_is_known_again
        a_report_without_our_reference_is_matched_by_the_vendors_id
        vendor_ids_that_differ_in_case_or_zeros_are_different
        a_late_result_still_counts_for_an_unresolved_message
    }
    parking {
        a_callback_that_overtakes_the_answer_is_applied_with_it
        a_callback_with_our_reference_is_applied_before_the_answer
        several_parked_reports_end_as_if_they_had_come_in_order
        a_parked_event_that_comes_again_is_a_duplicate_before_and_after
        a_report_and_the_answer_in_one_batch_meet
        a_report_is_parked_across_a_restart
        a_parked_report_meets_a_message_known_by_another_report
        a_parked_report_of_another_account_is_never_applied
        a_parked_report_that_names_another_message_is_not_applied
    }
    presumed {
        it_is_stored_as_if_it_had_been_looked_at
        what_does_not_hold_is_left_alone_and_the_rest_is_written
        nothing_is_written_when_the_engine_fails
        a_slow_answer_moves_the_time_of_looking_after
        a_record_of_which_nobody_learned_how_it_ended_may_be_made_again
    }
    ownership {
        another_account_is_refused_and_does_not_use_up_the_event
        another_vendor_cannot_speak_for_a_message
        organisations_that_share_an_account_name_are_kept_apart
        a_forged_parked_event_does_not_use_up_the_true_one
        after_a_failover_the_first_vendor_speaks_for_the_message_no_more
    }
    quarantine {
        an_event_is_kept_once_as_it_came_and_counted_each_time
        quarantined_events_are_listed_oldest_first_and_narrowed
        an_account_without_room_keeps_nothing_new_and_others_have_theirs
        an_event_that_nobody_replays_is_forgotten_and_counted
        a_forged_update_tells_whose_message_was_meant
        refused_updates_are_noted_by_who_spoke_for_whom
    }
    listing {
        only_the_organisations_own_messages_are_listed_newest_first
        every_filter_narrows_the_list
        filters_combine
        pages_stay_in_step_while_messages_are_recorded
        messages_of_one_instant_are_paged_without_loss
        the_messages_of_a_recipient_are_paged_over_days_and_years
    }
    due {
        every_open_message_has_a_time_at_which_it_is_looked_after
        a_final_message_is_never_due
        a_move_puts_the_time_off
        the_longest_due_come_first_and_no_more_than_asked_for
        a_claim_puts_the_message_off_further_each_time
        two_claimants_never_get_the_same_claim
        a_claimed_mms_leaves_its_images_in_their_place
        only_the_holder_of_the_last_claim_may_send_again_and_only_once
        what_has_moved_since_the_claim_is_not_sent_again
    }
    census {
        open_messages_are_counted_by_state_with_the_age_of_the_oldest
        parked_reports_and_quarantined_events_are_counted
    }
    fallback {
        an_alimtalk_that_fails_makes_its_text_once
        the_text_is_the_vendors_job_where_the_vendor_does_it
        a_text_is_owed_when_the_vendor_never_had_the_alimtalk
        nothing_is_owed_while_the_outcome_is_open
        a_text_whose_parent_could_not_be_written_is_made_when_the_event_comes_again
        a_failure_that_comes_twice_at_once_makes_one_text
        a_late_failure_of_an_unresolved_alimtalk_makes_its_text_once
        a_failure_that_overtakes_the_sends_answer_makes_no_text_where_the_vendor_does_it
        a_parked_failure_makes_its_text_with_the_answer_that_it_waited_for
        a_text_whose_sender_died_before_it_was_sent_is_looked_after
    }
    failures {
        a_commit_that_fails_leaves_nothing
        an_event_whose_effect_failed_is_applied_when_it_comes_again
        everything_is_there_after_a_restart
        a_failed_batch_is_told_to_everyone_and_the_writer_goes_on
        writes_of_many_callers_are_all_committed
    }
    retention {
        texts_and_images_are_blanked_and_the_rest_of_the_message_stays
        a_blanked_message_still_takes_a_late_result
        messages_are_dropped_once_they_are_blanked_and_old_enough
        a_request_id_may_be_used_again_after_its_term
        a_report_that_was_parked_for_too_long_is_dropped_and_counted
        much_is_forgotten_in_small_batches_the_oldest_first
    }
}
