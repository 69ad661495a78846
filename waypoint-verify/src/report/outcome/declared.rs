//! Findings about declared paths.

use k8s_openapi::jiff::Timestamp;

use super::{Finding, Level, Location, Outcome, PolicyOutcome, Rule, Subject};
use crate::judge::PolicyVerdict;
use crate::model::NamespacedName;
use crate::policy::Counts;
use crate::routes::probing::Probed;
use crate::routes::{Analysis, Class, Compared, Hop, Path, version_of};

const PAST: Rule = Rule::new(
    "declared/past",
    "Objects open a way past the waypoint",
    "The message says what closes it. If the way is wanted, exempt who takes it in the policy, and review it.",
);

const UNSEEN: Rule = Rule::new(
    "declared/unseen",
    "Objects open a way past the waypoint that nobody was seen to take",
    "Close it before somebody does; the message has a request that takes it.",
);

const UNDECLARED: Rule = Rule::new(
    "declared/undeclared",
    "Requests came past the waypoint by a way that no object declares",
    "Objects are missing from what was read, or the model of this controller is wrong: give the gate all objects \
     (`--declared cluster`), and report it if that does not explain it.",
);

const UNKNOWN: Rule = Rule::new(
    "declared/unknown",
    "Something that could lead past the waypoint is not understood",
    "Look at what the message names; as long as it is not understood, no answer is complete.",
);

const CAUGHT: Rule = Rule::new(
    "declared/caught",
    "A witness took a declared way past the waypoint, and was caught",
    "The way is open: whoever knows it can take it. The message says what closes it.",
);

const MISSED: Rule = Rule::new(
    "declared/missed",
    "A witness of a declared way past the waypoint was answered, and never seen at the target",
    "Either it went elsewhere (the objects are not those that are served), or the target is not observed where it arrived: until that is \
     known, nothing that was not seen is proof.",
);

const NOT_TAKEN: Rule = Rule::new(
    "declared/not-taken",
    "A witness did not take its declared way past the waypoint",
    "The objects that were read are not those that are served, or the model shows a path too many; the message says what came of it.",
);

/// Where the place of a hop is written.
pub type Locate<'l> = &'l dyn Fn(&Hop) -> Option<Location>;

/// What declared paths say beside what was seen of one policy.
pub fn risks(compared: &Compared<'_>, analysis: &Analysis, locate: Locate<'_>) -> Vec<Finding> {
    let undeclared = compared.undeclared.iter().map(|(kinds, count)| {
        UNDECLARED
            .finding(Level::Violation, format!("{count} requests were {kinds}, and no declared path explains them"))
    });
    let unseen = compared.unseen.iter().map(|path| of_path(UNSEEN, Level::Risk, path, locate));
    // Beside what was seen they say how to make it happen again.
    let seen = compared.seen.iter().map(|path| of_path(PAST, Level::Risk, path, locate));
    undeclared.chain(seen).chain(unseen).chain(unknown(analysis, Level::Note, locate)).collect()
}

/// Instead of so many more of them.
pub fn declared_more(level: Level, count: usize) -> Finding {
    PAST.finding(level, format!("and {count} findings more about declared ways: the verifier tells them all"))
}

/// Declared paths alone, as if they were a gate's outcome: past the waypoint is False, not understood Unknown.
pub fn of_routes(analyses: &[Analysis], locate: Locate<'_>, at: Timestamp) -> Outcome {
    let policies = analyses.iter().map(|analysis| {
        let past = analysis.past().map(|path| of_path(PAST, Level::Violation, path, locate));
        let findings: Vec<_> = past.chain(unknown(analysis, Level::Unproven, locate)).collect();
        let verdict = if analysis.past().next().is_some() {
            PolicyVerdict::False
        } else if analysis.is_partial() {
            PolicyVerdict::Unknown
        } else {
            PolicyVerdict::True
        };
        let (namespace, name) = analysis.policy.split_once('/').unwrap_or(("", &analysis.policy));
        let name = NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() };
        PolicyOutcome { name, uid: None, verdict, counts: Counts::default(), findings }
    });
    Outcome::new(policies.collect(), Vec::new(), at, at)
}

/// What came of a witness that was sent.
pub fn probed(path: &Path, probed: &Probed, locate: Locate<'_>) -> Finding {
    let (rule, level, came) = match probed {
        Probed::Caught { kinds, requests, of } => {
            (CAUGHT, Level::Violation, format!("{requests} of {of} sent were caught as {kinds}"))
        }
        Probed::Unseen { of, status } if probed.is_missed() => {
            (MISSED, Level::Unproven, format!("of {of} sent, answered with {status}, none was seen at the target"))
        }
        Probed::Unseen { of, status } => {
            (NOT_TAKEN, Level::Note, format!("of {of} sent, answered with {status}, none arrived at the target"))
        }
        Probed::Refuted { of } => {
            (NOT_TAKEN, Level::Note, format!("of {of} sent, all that arrived had passed the waypoint"))
        }
        Probed::Unclear { why } => (MISSED, Level::Unproven, format!("it was seen, but not what it was: {why}")),
        Probed::Unsent { why } => (NOT_TAKEN, Level::Note, format!("nothing was sent: {why}")),
    };
    let mut message = format!("{}: {came}", words(path));
    if let (Probed::Caught { .. }, Some(cure)) = (probed, &path.cure) {
        message.push_str(&format!("; what closes it: {cure}"));
    }
    placed(rule.finding(level, message), path.offender(), locate)
}

fn unknown(analysis: &Analysis, level: Level, locate: Locate<'_>) -> Vec<Finding> {
    let paths = analysis.paths.iter().filter_map(|path| match &path.class {
        Class::Unknown { why } => {
            let finding = UNKNOWN.finding(level, format!("{}: {why}", words(path)));
            Some(placed(finding, path.offender(), locate))
        }
        _ => None,
    });
    let unread = analysis.unread.iter().map(|problem| {
        let finding = UNKNOWN.finding(level, problem.to_string());
        let file = problem.file.as_deref().map(crate::manifest::file_of).filter(|file| *file != "the cluster");
        Finding { location: file.map(|file| Location { file: file.to_owned(), line: None }), ..finding }
    });
    paths.chain(unread).collect()
}

fn of_path(rule: Rule, level: Level, path: &Path, locate: Locate<'_>) -> Finding {
    let mut message = words(path);
    if let Some(witness) = &path.witness {
        message.push_str(&format!("; a request that takes it, from {}: {}", witness.from, witness.curl()));
    }
    if let Some(cure) = &path.cure {
        message.push_str(&format!("; what closes it: {cure}"));
    }
    placed(rule.finding(level, message), path.offender(), locate)
}

fn words(path: &Path) -> String {
    let hops = path.hops.iter().map(|hop| format!("{} {}", hop.object, hop.what));
    let reached = path.reaches.iter().map(|reached| reached.workload.clone()).collect::<Vec<_>>().join(", ");
    let kind = match &path.class {
        Class::Past { kind } => format!("{kind}: "),
        _ => String::new(),
    };
    let copy = if path.mirror { " (a copy)" } else { "" };
    format!("{kind}{} -> {reached}{copy}", hops.collect::<Vec<_>>().join(" -> "))
}

fn placed(mut finding: Finding, hop: Option<&Hop>, locate: Locate<'_>) -> Finding {
    if let Some(hop) = hop {
        finding.location = locate(hop);
        finding.object = hop.key.as_ref().map(|key| {
            let version = version_of(&key.group, &key.kind);
            Subject {
                api_version: if key.group.is_empty() { version.into() } else { format!("{}/{version}", key.group) },
                kind: key.kind.clone(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
            }
        });
    }
    finding
}

#[cfg(test)]
mod tests;
