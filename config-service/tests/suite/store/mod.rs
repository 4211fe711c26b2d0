//! The conformance suite: every case on both engines. A case is a generic function and one line in the list.
//!
//! PostgreSQL is found by `SWITCHBOARD_TEST_POSTGRES_URL`; each case makes a database of its own there and drops it.

mod cases;
pub mod harness;

/// The list. Each case gets an engine with a store that has just been established.
macro_rules! suite {
    ($($topic:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $(mod $topic {$(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let engine = super::super::harness::Engine::sqlite().await;
                    super::super::cases::$topic::$case(&engine).await;
                    engine.remove().await;
                }
            )+})+
        }
        mod postgres {
            $(mod $topic {$(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let engine = super::super::harness::Engine::postgres().await;
                    super::super::cases::$topic::$case(&engine).await;
                    engine.remove().await;
                }
            )+})+
        }
    };
}

suite! {
    organizations:
        an_id_is_taken_once_however_many_want_it,
        of_many_renames_of_one_version_one_wins_and_the_others_learn_the_version,
        every_order_pages_through_everything_once_while_others_are_added,
        filters_and_totals_agree_with_what_is_there,
        a_dry_run_tells_what_would_be_and_leaves_nothing;
    configs:
        a_config_is_added_replaced_and_read_back,
        an_outdated_or_missing_config_is_not_replaced,
        activating_switches_the_routing_in_the_same_change_and_tells_the_audit_trail,
        a_removed_config_leaves_its_version_behind,
        a_config_is_removed_only_with_the_name_and_when_nothing_names_it,
        what_a_superseded_key_has_sealed_is_refused;
    routing:
        a_routing_is_replaced_by_version_and_read_back_whole,
        a_routing_names_only_vendors_with_a_config,
        a_config_is_never_removed_while_it_is_being_routed_to;
    audit:
        the_chain_holds_under_concurrent_writers_of_two_replicas,
        a_change_that_is_refused_leaves_no_event_and_no_revision,
        without_its_event_no_change_is_committed,
        events_are_found_by_organisation_actor_action_and_time,
        the_table_refuses_update_and_delete,
        verification_names_the_first_event_that_was_altered_removed_or_cut_off,
        a_known_head_shows_a_trail_that_was_rewritten;
    watch:
        revisions_have_no_gaps_under_concurrent_writers_of_two_replicas,
        an_entry_holds_everything_of_an_organisation_as_of_one_moment,
        a_snapshot_is_one_moment_while_others_write,
        a_snapshot_for_gateways_holds_organisations_with_accounts_only,
        changes_are_forgotten_by_age_and_the_position_says_so,
        an_epoch_ends_once_however_many_notice,
        establishing_twice_changes_nothing;
    keys:
        a_rotation_rewraps_everything_and_retires_the_old_key,
        a_rotation_that_is_killed_at_any_batch_goes_on_and_no_record_is_ever_without_a_key,
        what_is_saved_during_a_rotation_is_not_lost_to_it,
        a_record_that_does_not_open_keeps_the_old_key_and_is_named,
        a_ring_of_another_store_rotates_nothing,
        a_record_moved_to_another_row_does_not_open;
    nodes:
        a_replica_replaces_what_it_told_and_hears_of_the_others;
    schema:
        migrating_twice_and_concurrently_is_harmless,
        an_empty_store_is_made_once_by_many_at_once,
        an_edited_migration_is_refused_by_who_migrates_and_by_who_serves,
        the_schema_of_a_later_version_is_worked_on_by_this_one;
}
