//! Metrics in Prometheus' text form.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::declarations::Declarations;
use super::report::Report;
use crate::model::NamespacedName;
use crate::routes::Class;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Verdict {
    policy: String,
    verdict: &'static str,
    /// Kind of bypass, reason of a doubt or of an exemption.
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Policy {
    policy: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Declared {
    policy: String,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Node {
    node: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Partition {
    partition: u64,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

/// Made anew for every question: what it tells is kept elsewhere. `judged`: which partitions this verifier judges. `declared`: what the
/// objects declare.
pub fn text(report: &Report, judged: &[bool], declared: &Declarations) -> String {
    let mut registry = Registry::with_prefix("waypoint_verify");
    let requests = Family::<Verdict, Counter>::default();
    let verified = Family::<Policy, Gauge>::default();
    let provisional = Family::<Policy, Gauge>::default();
    for policy in &report.policies {
        let name = format!("{}/{}", policy.namespace, policy.name);
        let add = |verdict: &'static str, reason: String, count: u64| {
            requests.get_or_create(&Verdict { policy: name.clone(), verdict, reason }).inc_by(count);
        };
        let total = &policy.total;
        add("Verified", String::new(), total.verified);
        add("Verified", "mirror".to_owned(), total.mirrors);
        total.bypassed.iter().for_each(|(kind, count)| add("Bypassed", kind.clone(), *count));
        add("Bypassed", "forced".to_owned(), total.forced);
        total.unverified.iter().for_each(|(reason, count)| add("Unverified", reason.to_string(), *count));
        total.exempt.iter().for_each(|(reason, count)| add("Exempt", reason.clone(), *count));
        add("Canary", String::new(), total.canaries);
        add("Withdrawn", String::new(), total.withdrawn);
        let label = Policy { policy: name.clone() };
        verified.get_or_create(&label).set(match policy.verdict {
            crate::judge::PolicyVerdict::True => 1,
            crate::judge::PolicyVerdict::False => 0,
            crate::judge::PolicyVerdict::Unknown => -1,
        });
        provisional.get_or_create(&label).set(i64::try_from(policy.provisional).unwrap_or(i64::MAX));
    }
    let paths = Family::<Declared, Gauge>::default();
    let is_judged = |name: &NamespacedName| {
        report.policies.iter().any(|policy| (&policy.namespace, &policy.name) == (&name.namespace, &name.name))
    };
    for (name, analysis) in declared.analyses().filter(|(name, _)| is_judged(name)) {
        // Every class: one that is not there is 0, and not unknown.
        for class in Class::NAMES {
            let count = analysis.paths.iter().filter(|path| path.class.name() == class).count();
            let label = Declared { policy: name.to_string(), class };
            paths.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    let covered = Family::<Node, Gauge>::default();
    let nodes =
        report.coverage.seen.iter().map(|node| (node, 1)).chain(report.coverage.blind.keys().map(|node| (node, 0)));
    for (node, is_covered) in nodes {
        covered.get_or_create(&Node { node: node.clone() }).set(is_covered);
    }
    let lag = Gauge::<f64, AtomicU64>::default();
    // None was ever complete: as if it were so for ever.
    lag.set(report.lag.map_or(f64::INFINITY, |lag| lag.as_secs_f64()));
    let partitions = Family::<Partition, Gauge>::default();
    for (partition, is_judged) in (0..).zip(judged) {
        partitions.get_or_create(&Partition { partition }).set(i64::from(*is_judged));
    }
    let lost = Family::<Source, Counter>::default();
    let counters = &report.counters;
    for (source, count) in [
        ("gap", counters.gaps),
        ("refused", counters.refused),
        ("unreadable", counters.unreadable),
        ("not_own", counters.not_own),
        ("dropped", counters.dropped),
        ("evicted", counters.evicted),
        ("unknown_roles", counters.unknown_roles),
    ] {
        lost.get_or_create(&Source { source }).inc_by(count);
    }
    let (batches, octets, evidence, late, suppressed) =
        (Counter::default(), Counter::default(), Counter::default(), Counter::default(), Counter::default());
    for (counter, count) in [
        (&batches, counters.batches),
        (&octets, counters.octets),
        (&evidence, counters.evidence),
        (&late, counters.late_ticks),
        (&suppressed, counters.suppressed_events),
    ] {
        let counter: &Counter = counter;
        counter.inc_by(count);
    }
    registry.register("requests", "What was said of requests, since the verifier began with the policy", requests);
    registry.register("policy_verified", "1 verified, 0 bypassed, -1 unknown, within the window", verified);
    registry.register(
        "provisional_requests",
        "Verified, unless an exchange that still runs shows otherwise",
        provisional,
    );
    registry.register("declared_paths", "Ways to the targets that the objects open, by what they are", paths);
    if let Some(began) = declared.began {
        let age = Gauge::<f64, AtomicU64>::default();
        age.set(began.elapsed().as_secs_f64());
        registry.register_with_unit("declared_age", "Age of what is known of these", Unit::Seconds, age);
    }
    registry.register("node_covered", "Whether the node was seen at the last tick", covered);
    if judged.contains(&true) {
        let help = "Age of that of which everything is judged: of the newest tick that every node has answered";
        registry.register_with_unit("lag", help, Unit::Seconds, lag);
    }
    registry.register("partition_judged", "Whether this verifier judges the partition's policies", partitions);
    registry.register("lost_evidence", "Evidence that was not taken, by why", lost);
    registry.register("batches", "Batches of evidence that were read", batches);
    registry.register("evidence_bytes", "Octets of these", octets);
    registry.register("evidence", "Pieces of evidence that were read", evidence);
    registry.register("late_ticks", "Ticks that ended before every node had answered", late);
    registry.register("suppressed_events", "Changes of conditions of which there is no Event", suppressed);
    let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", build);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => text,
        Err(error) => format!("# {error}\n"),
    }
}
