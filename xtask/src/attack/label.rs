//! What a request is in truth, what must be said of it, and what was said.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::demo::Count;

/// The truth about a request, which the verifier is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intent {
    /// It goes the way that the policy demands.
    Legitimate,
    Bypass,
}

impl Intent {
    fn segment(self) -> &'static str {
        match self {
            Self::Legitimate => "legit",
            Self::Bypass => "bypass",
        }
    }
}

/// An expectation of all verdicts of a label together, whatever they are.
pub const IN_ALL: &str = "in all";

/// Requests that are alike: same intent, same expectation.
#[derive(Debug, Clone)]
pub struct Label {
    pub intent: Intent,
    pub attack: &'static str,
    /// `/legit/ATTACK/NAME` or `/bypass/ATTACK/NAME`: the beginning of its requests' paths.
    pub path: String,
    pub expected: Vec<(&'static str, Count)>,
    pub seen: BTreeMap<String, u64>,
    /// One explanation of each.
    pub samples: BTreeMap<String, String>,
    /// Of those seen, the ones that may still change.
    pub provisional: u64,
}

impl Label {
    pub fn new(intent: Intent, attack: &'static str, name: &str, expected: Vec<(&'static str, Count)>) -> Self {
        let path = format!("/{}/{attack}/{name}", intent.segment());
        Self { intent, attack, path, expected, seen: BTreeMap::new(), samples: BTreeMap::new(), provisional: 0 }
    }

    /// What differs, in words. What is not expected must not occur.
    pub fn differences(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (what, count) in &self.expected {
            let seen = match *what {
                IN_ALL => self.seen.values().sum(),
                what => self.seen.get(what).copied().unwrap_or(0),
            };
            if !count.is_met_by(seen) {
                wrong.push(format!("{}: {what}: expected {count}, seen {seen}", self.path));
            }
        }
        for (what, seen) in self.seen.iter().filter(|(what, _)| !self.expected.iter().any(|(e, _)| e == what)) {
            let sample = self.samples.get(what).map(|sample| format!(", such as {sample}")).unwrap_or_default();
            wrong.push(format!("{}: {what}: expected 0, seen {seen}{sample}", self.path));
        }
        if self.provisional > 0 {
            wrong.push(format!("{}: {} did not become final", self.path, self.provisional));
        }
        wrong
    }
}

/// What a verdict says, as the attacks write it: `Verified`, `Bypassed(KINDS)`, `Unverified(REASON)`; with the class before it
/// where it is another one than that of a request: `Mirror Verified`.
pub fn fate(verdict: &Value) -> String {
    let detail = &verdict["detail"];
    let said = match verdict["verdict"].as_str().unwrap_or_default() {
        "verified" => "Verified".to_owned(),
        "bypassed" => {
            let kinds = detail.as_array().map(Vec::as_slice).unwrap_or_default();
            format!("Bypassed({})", kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "))
        }
        "unverified" => format!("Unverified({})", detail.as_str().unwrap_or_default()),
        other => format!("no verdict: {other}"),
    };
    match &verdict["class"] {
        Value::String(class) if class == "request" => said,
        Value::String(class) if class == "mirror" => format!("{MIRROR}{said}"),
        _ => format!("{EXEMPT}{said}"),
    }
}

const MIRROR: &str = "Mirror ";
const EXEMPT: &str = "Exempt ";

pub fn is_exempt(fate: &str) -> bool {
    fate.starts_with(EXEMPT)
}

/// A fate without its class.
pub fn without_class(fate: &str) -> &str {
    [MIRROR, EXEMPT].iter().find_map(|class| fate.strip_prefix(class)).unwrap_or(fate)
}

/// The label that a verdict's path carries: `/legit/ATTACK/NAME`, in origin or absolute form.
pub fn of_path(path: &str) -> Option<String> {
    let path = match path.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => path,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.strip_prefix('/')?.splitn(4, '/');
    let (intent, attack, name) = (segments.next()?, segments.next()?, segments.next()?);
    matches!(intent, "legit" | "bypass").then(|| format!("/{intent}/{attack}/{name}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_is_found_in_every_form_of_a_target() {
        let rows = [
            ("/legit/a/b", Some("/legit/a/b")),
            ("/bypass/a/b/7?x=/legit/c/d", Some("/bypass/a/b")),
            ("http://hello.example/legit/a/b/1", Some("/legit/a/b")),
            ("/other/a/b", None),
            ("/legit/a", None),
            ("*", None),
            ("http://hello.example", None),
        ];
        for (path, expected) in rows {
            assert_eq!(of_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn verdicts_are_named_with_their_class() {
        let rows = [
            (json!({"verdict": "verified", "class": "request"}), "Verified"),
            (json!({"verdict": "verified", "class": "mirror"}), "Mirror Verified"),
            (json!({"verdict": "bypassed", "detail": ["A", "B"], "class": "request"}), "Bypassed(A or B)"),
            (json!({"verdict": "unverified", "detail": "gap", "class": {"exempt": "x"}}), "Exempt Unverified(gap)"),
        ];
        for (verdict, expected) in rows {
            assert_eq!(fate(&verdict), expected);
        }
    }

    #[test]
    fn what_is_not_expected_is_a_difference() {
        let mut label = Label::new(Intent::Bypass, "a", "b", vec![("Verified", Count::Exactly(0))]);
        assert_eq!(label.differences(), Vec::<String>::new());
        label.expected.push((IN_ALL, Count::Exactly(3)));
        label.seen.insert("Verified".to_owned(), 1);
        label.seen.insert("Unverified(gap)".to_owned(), 2);
        assert_eq!(
            label.differences(),
            ["/bypass/a/b: Verified: expected 0, seen 1", "/bypass/a/b: Unverified(gap): expected 0, seen 2"]
        );
    }
}
