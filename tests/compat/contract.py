"""The contract: what a user relies on, by rows, and the tests that hold each row on every server.

A row's tests are in `tests/integration` or here, by their names. What a server cannot do is marked
at its test, with `support.tested_server.gap`.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["CONTRACT", "nodes"]

TESTS = Path(__file__).parents[1]

CONTRACT: dict[str, dict[str, str]] = {
    "Logins": {
        "Users and superusers log in and out; a wrong password is a 400": """
            test_login_and_logout_are_emitted_by_changes
            test_a_wrong_password_is_a_400_and_stores_no_token
            test_a_login_passes_fields_on""",
        "`auth_refresh` reads the login anew; one refresh is in flight, however many callers": """
            test_a_refresh_renews_the_token_of_the_same_user
            test_however_many_callers_one_refresh_is_in_flight""",
        "`auto_refresh` gets a new token in time": """
            test_observers_of_a_renewed_login_may_block_and_use_the_client""",
        "A renewed token keeps the connection and the events": """
            test_a_refreshed_token_keeps_the_connection_and_the_events""",
        "Login, logout and change of user take effect on events at once": """
            test_a_login_lets_events_of_users_in_and_a_logout_shuts_them_out
            test_another_login_switches_the_events_to_that_user
            test_a_superuser_that_becomes_a_guest_hears_no_more_than_a_guest
            test_the_last_of_many_quick_logins_takes_effect
            test_a_login_in_a_callback_takes_effect""",
        "A malformed token counts as no login": """
            test_a_malformed_token_counts_as_no_login
            test_a_login_with_a_void_token_in_the_store_works""",
        "A changed password, or the deletion of the user, ends the login, and is reported": """
            test_a_changed_password_is_an_error_on_status_and_ends_the_streams
            test_on_auth_lost_guest_continues_without_a_login
            test_a_deleted_user_loses_the_login_too
            test_after_a_password_change_and_a_new_login_events_go_on""",
        "No error and no repr shows a token or a password": """
            test_no_repr_and_no_error_shows_a_token_or_a_password""",
    },
    "Records": {
        "Records are created, read, updated and deleted": """
            test_what_create_and_update_return_is_what_get_one_reads""",
        "`expand`, `fields`, `query` and `headers` are applied by every request": """
            test_expand_fields_query_and_headers_are_sent_by_every_request""",
        "An error names status, field and address": """
            test_an_error_has_status_message_field_and_url
            test_no_record_for_a_filter_is_a_404_with_a_message
            test_an_odd_id_stays_one_id_on_the_wire""",
        "Pages have order, size and totals; all records come, for any batch size": """
            test_pages_have_totals_order_and_size
            test_all_records_come_whatever_the_batch
            test_keyset_pages_keep_the_callers_filter_whole
            test_fields_without_the_id_page_all_the_same""",
        "`iter_records` skips none while others delete": """
            test_no_record_is_skipped_while_others_delete
            test_no_record_is_skipped_while_a_thread_deletes""",
        "Ids of any form are paged": """
            test_ids_of_any_form_are_paged_and_asked_about
            test_a_view_has_any_text_as_an_id""",
        "Ids such as `#hash` are read, written, observed and kept in views": """
            test_an_id_that_the_server_takes_can_be_read_written_and_observed
            test_a_relation_to_an_odd_id_is_expanded_and_kept""",
        "Files go up and down, are listed, thumbed, protected and refused by name": """
            test_a_file_of_every_form_goes_up_and_comes_back
            test_files_are_added_to_and_taken_from_a_list
            test_a_protected_file_needs_a_file_token
            test_thumbs_and_downloads_are_asked_for
            test_a_refused_file_is_an_error_that_names_its_field
            test_no_file_name_changes_other_parts_of_the_form""",
        "Requests, events and views give models": """
            test_every_request_gives_the_model
            test_expanded_records_become_their_dataclass
            test_streams_callbacks_and_iterators_give_events_of_the_model
            test_a_view_shows_the_model_and_hides_what_is_skipped_until_it_fits""",
        "A record that cannot be decoded hides no other": """
            test_one_record_nested_too_deeply_hides_no_other
            test_the_status_names_a_hundred_such_records_at_most_and_the_snapshot_all
            test_reads_name_the_record_its_field_and_its_depth
            test_a_stream_of_a_collection_with_such_a_record_opens
            test_a_write_that_is_answered_with_such_a_record_was_done""",
        "Answers that are too large are read in smaller pages": """
            test_a_list_reads_fewer_records_a_page_where_an_answer_is_too_large
            test_a_live_view_of_large_records_shows_them_all
            test_an_oversized_record_is_reported_as_unreadable_until_it_fits""",
        "Collections are created, read, changed, deleted and imported": """
            test_collections_are_created_read_changed_and_deleted
            test_collections_are_for_superusers_and_a_bad_one_says_why
            test_collections_are_created_and_changed_by_one_import
            test_an_exported_collection_can_be_imported
            test_an_import_with_a_fault_changes_nothing""",
    },
    "Filters": {
        "Every text is a value, and never widens a filter": """
            test_a_bound_text_matches_only_itself
            test_every_hostile_text_comes_back_as_data_and_finds_itself_alone
            test_a_value_cannot_widen_a_filter
            test_text_in_a_filter_selects_the_records_that_hold_it
            test_topics_and_live_views_show_what_the_filter_means""",
        "… also one that ends in a backslash": """
            test_a_text_that_ends_in_a_backslash_finds_itself_alone""",
        "A server that would misread a text refuses it": """
            test_the_dialect_is_learned_where_anything_may_be_listed
            test_a_server_of_the_other_dialect_refuses_what_it_would_misread""",
        "A filter finds what was written by the same value, of any kind": """
            test_what_was_written_is_found_by_the_same_value
            test_a_form_of_any_request_takes_the_same""",
        "Numbers, bools and dates find their records": """
            test_values_of_every_kind_find_their_records
            test_bools_match_on_every_server""",
        "`None` finds the null of a JSON field": """
            test_null_finds_the_records_whose_json_is_null""",
    },
    "Streams": {
        "Creates, updates and deletes arrive on `*` and on a record's topic, each once": """
            test_create_update_and_delete_of_any_record_arrive_on_the_star_topic
            test_a_record_topic_carries_that_record_alone
            test_a_record_topic_delivers_once_its_record_is_created
            test_events_come_by_the_collections_id_as_well_as_by_its_name
            test_every_event_of_many_writers_arrives_once
            test_an_upload_emits_an_event""",
        "Text arrives as it was written": """
            test_text_in_records_arrives_as_it_was_written""",
        "`filter`, `expand`, `fields`, `query` and `headers` of a topic are applied": """
            test_a_filter_lets_only_matching_records_through
            test_expand_brings_the_related_record_along
            test_fields_choose_what_a_record_carries
            test_headers_reach_the_rules_of_a_topic
            test_free_query_parameters_reach_the_rules_and_numbers_and_bools_become_text""",
        "Topics with other options are others, and are unsubscribed together": """
            test_topics_that_differ_in_options_are_two_and_in_key_order_one
            test_unsubscribe_completes_all_option_variants_of_its_topic_and_no_other
            test_the_longest_topic_the_library_lets_pass_is_taken_by_the_server
            test_a_topic_length_is_counted_as_the_server_counts_it""",
        "Headers that rules read ride along as `topic_headers`": """
            test_a_rule_reads_the_headers_of_the_clients_topics
            test_a_topics_own_header_goes_before_the_clients
            test_headers_of_requests_alone_let_the_check_pass_and_are_warned_of_once""",
        "Once `subscribe` has returned the server sends; callbacks may subscribe and wait": """
            test_subscribe_returns_once_the_server_will_send
            test_a_blocking_subscribe_inside_a_callback_works
            test_every_way_to_unsubscribe_ends_the_events_and_closes_the_connection
            test_a_raising_callback_stays_and_a_raising_observer_is_removed""",
        "`events` gives every event from the moment it was entered": """
            test_the_iterator_gives_every_event_from_the_moment_it_was_entered
            test_a_small_iterator_holds_events_back_and_loses_none""",
        "Plain messages of any topic are received": """
            test_a_record_topic_observed_as_a_custom_one_gives_plain_messages""",
        "Custom topics deliver what a hook sends, and each connection its `PB_CONNECT`": """
            test_a_custom_topic_delivers_what_the_server_sends_on_it
            test_a_custom_topic_can_carry_options_and_is_named_without_them
            test_events_shows_every_message_of_the_connection_and_asks_for_none
            test_pb_connect_comes_to_early_and_late_subscribers_and_again_after_a_renewal""",
        "Operators compose, and the last to leave takes the topic off": """
            test_filter_map_and_scan_compose_in_both_spellings
            test_events_are_grouped_by_action
            test_streams_of_two_collections_merge
            test_take_and_first_remove_the_topic_when_they_complete
            test_building_a_stream_connects_to_nothing_and_the_last_to_leave_disconnects""",
        "`rxbosbase.aio`: events, callbacks and live views of a loop": """
            test_events_come_until_the_block_is_left
            test_callbacks_run_one_at_a_time_with_the_callers_context
            test_a_refused_topic_is_raised_by_subscribe
            test_custom_topics_and_the_end_of_one
            test_a_view_becomes_fresh_and_follows_changes
            test_a_refused_view_raises_from_wait_fresh_and_anext""",
        "`rxbosbase tail` and `view` follow records of any id and filter": """
            test_tail_follows_a_record_with_an_odd_id
            test_the_command_line_takes_a_guarded_filter""",
        "`close` completes the streams and leaves nothing": """
            test_close_completes_the_streams_and_further_use_is_an_error
            test_closing_the_client_completes_views_and_ends_waits""",
    },
    "Permissions": {
        "A missing collection is a 404, a forbidden one a 403, a bad filter a 400": """
            test_a_missing_collection_is_a_404
            test_a_collection_for_superusers_alone_is_a_403_for_others
            test_a_bad_filter_is_a_400
            test_a_refused_subscription_leaves_the_others_alone
            test_the_preflight_asks_again_for_another_identity""",
        "With `check=False` a forbidden topic is silent": """
            test_without_the_check_a_forbidden_topic_is_silent""",
        "The list rule decides for `*`, the view rule for one record": """
            test_the_list_rule_selects_the_events_of_each_client
            test_the_view_rule_selects_the_events_of_a_record_topic
            test_where_view_is_allowed_and_list_is_not_a_record_topic_works_and_the_star_does_not
            test_where_list_is_allowed_and_view_is_not_the_star_works_and_a_record_topic_does_not
            test_a_locked_collection_is_for_superusers_alone""",
        "Only its own pages may use an embedded server from a browser": """
            test_no_web_site_but_its_own_may_use_it""",
        "Hidden fields, and secrets of other users, are not shown to others": """
            test_events_of_an_auth_collection_hold_no_secrets
            test_reads_of_a_superuser_hold_hidden_fields_and_those_of_others_do_not
            test_events_and_views_of_others_hold_no_hidden_field""",
        "An event for a superuser holds the hidden fields": """
            test_an_event_for_a_superuser_holds_hidden_fields""",
        "A live view of a superuser shows the hidden fields": """
            test_a_live_view_of_a_superuser_shows_hidden_fields""",
    },
    "Reconnection": {
        "After a cut every stream, callback and view continues": """
            test_after_a_cut_every_stream_and_view_goes_on
            test_a_silent_stream_is_renewed_as_routine
            test_a_lost_post_of_topics_is_repeated""",
        "`status` and `on_disconnect` report a cut once": """
            test_a_cut_is_told_once_with_the_topics_still_wanted""",
        "Streams and live views have one status, and one loss": """
            test_streams_and_live_views_have_one_status_and_one_loss""",
        "Changes while disconnected are in the view afterwards": """
            test_changes_while_disconnected_are_caught_up
            test_changes_emit_one_net_change_per_record_after_a_gap""",
        "After a restart of the server all topics, logins and rules are as before": """
            test_three_hundred_topics_of_several_collections_all_come_back
            test_an_identity_survives_a_restart_and_rules_go_on_to_hold
            test_a_login_while_the_server_is_down_counts_when_it_is_back
            test_topics_wanted_and_dropped_while_down_are_right_when_it_is_back
            test_a_stream_begun_while_the_server_is_down_starts_when_it_is_up
            test_a_preflight_without_a_server_is_repeated
            test_pb_connect_comes_again_after_a_restart
            test_an_outage_keeps_the_login""",
        "A kill costs only what was written while the server was down": """
            test_under_continuous_writes_a_kill_loses_only_what_was_written_while_down""",
        "A killed server leaves a view stale, and its return makes it true": """
            test_a_view_is_not_fresh_while_the_server_is_down""",
        "A server that freezes is left and found again": """
            test_a_frozen_server_is_left_and_found_again
            test_a_request_raises_after_its_own_timeout""",
        "A stopped server is reported once, with the cause and the topics": """
            test_a_lost_connection_calls_on_disconnect_once_and_sets_the_status
            test_on_disconnect_may_subscribe_and_wait_until_the_server_is_back""",
    },
    "Live views": {
        "A view becomes its query, and changes lead from each snapshot to the next": """
            test_the_first_snapshot_adds_all_and_changes_lead_from_each_to_the_next
            test_a_slow_observer_gets_fewer_snapshots_whose_changes_still_chain
            test_a_record_with_an_oversized_event_is_still_shown""",
        "Equal views share one, and others begin at once": """
            test_a_late_subscriber_gets_the_current_snapshot_and_equal_views_share_one
            test_views_of_acknowledged_topics_add_none
            test_views_are_shared_by_model_and_policy""",
        "What leaves the filter leaves the view": """
            test_what_leaves_a_filter_leaves_the_view_soon""",
        "Every sort ends in the server's order": """
            test_every_sort_ends_in_the_servers_order
            test_incomparable_sort_values_switch_to_the_servers_order
            test_a_field_that_the_user_has_cut_still_sorts_as_the_server_does""",
        "A view is sorted by a field of a relation": """
            test_a_renamed_author_brings_a_post_into_the_window_that_was_not_there""",
        "A `limit` shows the first rows only": """
            test_a_window_shows_the_first_rows_only
            test_a_window_takes_as_many_sort_keys_as_the_server""",
        "`fields` give what was asked for and nothing else": """
            test_fields_are_the_requested_ones_alone""",
        "A change of an expanded record is seen": """
            test_a_renamed_author_is_seen_in_the_posts
            test_an_author_that_may_not_be_listed_is_seen_within_reconcile""",
        "A change without an event is seen within `reconcile`": """
            test_a_reconcile_pass_finds_changes_without_events""",
        "A collection without `updated` converges": """
            test_a_collection_without_updated_converges""",
        "A number in a JSON field is shown as it is read": """
            test_a_live_view_shows_a_number_as_it_is_read""",
        "A view collection is polled": """
            test_a_view_collection_is_polled""",
        "`live_record` follows one record that may only be viewed": """
            test_live_record_follows_one_record_that_may_only_be_viewed""",
        "A refused query ends the view with its status": """
            test_a_refused_query_ends_the_view_and_a_new_subscriber_begins_afresh""",
        "Another login empties the view and reads again": """
            test_another_login_empties_the_view_and_reads_again""",
    },
}


def nodes() -> dict[str, str]:
    """The address for pytest of each test that a row names.

    Raises:
        LookupError: a test is missing, or there are two of its name.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((*TESTS.glob("integration/test_*.py"), *TESTS.glob("compat/test_*.py"))):
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M):
            found.setdefault(name, []).append(f"{path.relative_to(TESTS.parent)}::{name}")
    named = [
        name for rows in CONTRACT.values() for tests in rows.values() for name in tests.split()
    ]
    odd = [name for name in named if len(found.get(name, ())) != 1 or named.count(name) > 1]
    if odd:
        raise LookupError(f"not one test of each of these names, or named twice: {odd}")
    return {name: found[name][0] for name in named}
