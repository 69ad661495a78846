//! Faults that take minutes: `cargo xtask test --long`.

use crate::{Fault, away, clock, full, on_stage, play, rollout, senders, stale};

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn minutes_without_the_bus_or_the_api_server_and_a_full_disk_hide_nothing() {
    let faults: [(&str, Fault); 3] = [
        ("disk", full::disk_is_full),
        ("nats-server", away::nats_is_away_for_minutes),
        ("watch list", stale::watch_list_is_stale_for_minutes),
    ];
    play("minutes_without_the_bus_or_the_api_server_and_a_full_disk_hide_nothing", "minutes", &faults);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn clocks_that_are_minutes_off_change_no_verdict() {
    let faults: [(&str, Fault); 2] =
        [("agents", clock::agents_are_minutes_off), ("verifier", clock::verifier_is_minutes_off)];
    play("clocks_that_are_minutes_off_change_no_verdict", "clocks", &faults);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn what_an_agent_sends_beyond_its_bound_or_in_another_schema_is_a_gap_of_its_own_node() {
    let faults: [(&str, Fault); 2] =
        [("flood", senders::agent_floods_its_stream), ("schema", senders::agent_is_of_another_schema)];
    play("what_an_agent_sends_beyond_its_bound_or_in_another_schema_is_a_gap_of_its_own_node", "senders", &faults);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn after_a_roll_out_of_agents_a_policy_waits_for_older_connections_and_names_them() {
    on_stage("after_a_roll_out_of_agents_a_policy_waits_for_older_connections_and_names_them", "rollout", |stage| {
        rollout::agents_are_replaced(stage).unwrap();
    });
}
