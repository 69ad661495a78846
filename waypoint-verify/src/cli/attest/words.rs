//! What an attestation proves, and what not, for people.

use std::fmt::Write as _;
use std::path::Path;

use k8s_openapi::jiff::Timestamp;

use super::Compared;
use crate::attest::check::Attested;
use crate::attest::keys::PublicKey;
use crate::attest::statement::Outcome;
use crate::recording::{Role, Source};

pub fn of(file: &Path, key: &PublicKey, others: usize, attested: &Attested, compared: &Compared) -> String {
    let mut out = String::new();
    let predicate = &attested.statement.predicate;
    let mut line = |text: String| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{text}");
    };
    line(format!("{}: {}", file.display(), words(predicate.result)));
    for (tests, word) in [
        (&predicate.passed_tests, "passed"),
        (&predicate.warned_tests, "not verifiable"),
        (&predicate.failed_tests, "failed"),
    ] {
        tests.iter().for_each(|policy| line(format!("  policy {policy}: {word}")));
    }
    line("proven:".into());
    line(format!("  whoever holds the private key of {} signed this, and it was not changed since", key.id()));
    for source in &compared.given {
        line(format!("  {} is what it was made of", named(source)));
    }
    for source in &compared.same {
        line(format!("  {} asks for what the policy asked for that was judged", named(source)));
    }
    if let Some(replayed) = &compared.replayed {
        let redacted = if replayed.begin.redacted { " (redacted)" } else { "" };
        line(format!("  the evidence{redacted}, judged again here, says the same of each policy, and counts the same"));
    }
    if compared.made_again {
        line("  the evidence was judged by these policies and this inventory: they make its watch list".into());
    }
    line("said by who signed, and not proven:".into());
    if let Some(counted) = &predicate.waypoint_verify {
        line(format!(
            "  observed from {} to {} by the observer's clock, with waypoint-verify {}",
            time(counted.began),
            time(counted.ended),
            counted.program
        ));
        counted.uncovered_nodes.iter().for_each(|node| line(format!("  node {node} was not observed")));
    }
    if let Some(policy) = &compared.held {
        let meta = &policy["metadata"];
        line(format!(
            "  it is what a verifier told of this object of a cluster (uid {}, generation {}): {}",
            meta["uid"].as_str().unwrap_or("not known"),
            meta["generation"],
            policy["spec"]
        ));
    }
    let files = |source: &&Source| compared.held.is_none() || source.role != Role::Policy;
    for source in attested.not_among(&compared.given).filter(files) {
        line(format!("  it was made of {} (not at hand here)", named(source)));
    }
    if compared.replayed.is_none() {
        let how = if compared.held.is_some() {
            "it is with the verifier, and only its word is signed"
        } else if attested.sources.iter().any(|source| source.role == Role::Evidence) {
            "--evidence FILE --replay judges it again"
        } else {
            "no evidence was recorded (gate --record)"
        };
        line(format!("  that the evidence says so: {how}"));
    }
    line("  that the evidence is what the machine's kernel saw, and all of it".into());
    line("not said:".into());
    line("  who holds the key, and when it was signed".into());
    line("  anything of traffic before, after or elsewhere, or of what the policies do not name".into());
    if others > 0 {
        line(format!("  what {others} more signature(s) are worth: they are by other keys"));
    }
    out
}

fn words(result: Outcome) -> &'static str {
    match result {
        Outcome::Passed => "PASSED: every policy was verified, nothing bypassed its waypoint",
        Outcome::Warned => "WARNED: not verifiable (this is no pass)",
        Outcome::Failed => "FAILED: something bypassed a waypoint",
    }
}

fn named(source: &Source) -> String {
    format!("{} {} (sha256 {})", source.role, source.name, source.sha256)
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}
