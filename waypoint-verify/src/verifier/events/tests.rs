use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

fn condition(kind: &str, status: &str, reason: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: "because".to_owned(),
        observed_generation: Some(1),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

fn name() -> NamespacedName {
    NamespacedName { namespace: "hello".to_owned(), name: "policy".to_owned() }
}

fn said(events: &Events) -> Vec<String> {
    let all = events.pending.iter();
    all.map(|event| format!("{}: {}", event.type_.as_deref().unwrap(), event.note.as_deref().unwrap())).collect()
}

#[test]
fn a_change_is_said_once_and_what_is_no_news_not_at_all() {
    let (name, mut events) = (name(), Events::new("verifier-1"));
    let of = Subject { name: &name, uid: "u" };
    let unknown = [condition("Accepted", "True", "Accepted"), condition("Verified", "Unknown", "NoTraffic")];
    let bypassed = [condition("Accepted", "True", "Accepted"), condition("Verified", "False", "Bypassed")];
    events.changed(of, &[], &unknown);
    assert_eq!(said(&events), [""; 0], "that nothing is known yet is no news");
    events.changed(of, &unknown, &bypassed);
    events.changed(of, &bypassed, &bypassed);
    assert_eq!(said(&events), ["Warning: Verified is False: because"]);
    // To and fro: the second time is too soon.
    events.changed(of, &bypassed, &unknown);
    events.changed(of, &unknown, &bypassed);
    let normal = "Normal: Verified is Unknown: because";
    assert_eq!(said(&events), ["Warning: Verified is False: because", normal]);
    assert_eq!(events.suppressed, 1);
}

#[test]
fn what_is_wrong_from_the_start_is_said() {
    let (name, mut events) = (name(), Events::new("verifier-1"));
    events.changed(Subject { name: &name, uid: "u" }, &[], &[condition("Accepted", "False", "TargetNotFound")]);
    assert_eq!(said(&events), ["Warning: Accepted is False: because"]);
}

#[test]
fn a_policy_that_changes_all_the_time_is_not_heard_all_the_time_and_mutes_no_other() {
    let mut limiter = Limiter::default();
    let (start, mut allowed) = (Instant::now(), 0);
    for second in 0..WITHIN.as_secs() {
        let what = ["Verified".to_owned(), "Unknown".to_owned(), format!("Reason{second}")];
        allowed += usize::from(limiter.allows("noisy", what, start + Duration::from_secs(second)));
    }
    assert_eq!(allowed, MOST);
    let what = || ["Verified".to_owned(), "False".to_owned(), "Bypassed".to_owned()];
    assert!(limiter.allows("quiet", what(), start + WITHIN));
    assert!(!limiter.allows("quiet", what(), start + WITHIN + AGAIN / 2));
    assert!(limiter.allows("quiet", what(), start + WITHIN + AGAIN));
    assert!(limiter.allows("noisy", what(), start + WITHIN * 2), "after a while it is heard again");
}

#[test]
fn a_note_fits_whatever_the_message_is() {
    let name = name();
    let mut long = condition("Covered", "False", "NodesNotCovered");
    long.message = "ä".repeat(NOTE);
    let event = event(Subject { name: &name, uid: "u" }, &long, "verifier-1", Timestamp::UNIX_EPOCH);
    assert!(event.note.unwrap().len() <= NOTE);
    // The server takes what is a name without the part that it adds, only less a dot at its end.
    assert_eq!(event.metadata.generate_name.as_deref(), Some("policy-"));
}
