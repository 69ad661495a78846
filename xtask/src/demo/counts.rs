//! Expected and seen counts of verdicts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A count that must be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Exactly(u64),
    /// Where the number depends on time (health checks, a ring that overflows).
    AtLeast(u64),
    AtMost(u64),
    Any,
}

impl Count {
    pub fn is_met_by(self, seen: u64) -> bool {
        match self {
            Self::Exactly(count) => seen == count,
            Self::AtLeast(count) => seen >= count,
            Self::AtMost(count) => seen <= count,
            Self::Any => true,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => write!(f, "{count}"),
            Self::AtLeast(count) => write!(f, "at least {count}"),
            Self::AtMost(count) => write!(f, "at most {count}"),
            Self::Any => f.write_str("any number"),
        }
    }
}

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self::Exactly(count)
    }
}

/// What the gate must say.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    pub verified: Option<Count>,
    pub bypassed: Vec<(&'static str, Count)>,
    pub unverified: Vec<(&'static str, Count)>,
    pub mirrors: u64,
    /// One of these.
    pub exit: Vec<i32>,
}

impl Expected {
    pub fn exit(code: i32) -> Self {
        Self { exit: vec![code], ..Self::default() }
    }

    #[must_use]
    pub fn or_exit(mut self, code: i32) -> Self {
        self.exit.push(code);
        self
    }

    #[must_use]
    pub fn verified(mut self, count: impl Into<Count>) -> Self {
        self.verified = Some(count.into());
        self
    }

    #[must_use]
    pub fn bypassed(mut self, kind: &'static str, count: impl Into<Count>) -> Self {
        self.bypassed.push((kind, count.into()));
        self
    }

    #[must_use]
    pub fn unverified(mut self, reason: &'static str, count: impl Into<Count>) -> Self {
        self.unverified.push((reason, count.into()));
        self
    }

    #[must_use]
    pub fn mirrors(mut self, count: u64) -> Self {
        self.mirrors = count;
        self
    }

    /// What differs, in words. Kinds and reasons that are not named must not occur.
    pub fn differences(&self, seen: &Counts) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |what: &str, expected: Count, seen: u64| {
            if !expected.is_met_by(seen) {
                wrong.push(format!("{what}: expected {expected}, seen {seen}"));
            }
        };
        check("verified", self.verified.unwrap_or(Count::Exactly(0)), seen.verified);
        check("mirrors", self.mirrors.into(), seen.mirrors);
        for (what, expected, seen) in
            [("bypassed", &self.bypassed, &seen.bypassed), ("unverified", &self.unverified, &seen.unverified)]
        {
            for (name, count) in expected {
                check(&format!("{what} {name}"), *count, seen.get(*name).copied().unwrap_or(0));
            }
            for (name, count) in seen.iter().filter(|(name, _)| !expected.iter().any(|(e, _)| e == name)) {
                check(&format!("{what} {name}"), Count::Exactly(0), *count);
            }
        }
        if !self.exit.contains(&seen.exit) {
            wrong.push(format!("exit code: expected {:?}, seen {}", self.exit, seen.exit));
        }
        wrong
    }

    /// The counts without those that may differ from run to run.
    pub fn comparable(&self, seen: &Counts) -> String {
        let fixed = |list: &[(&'static str, Count)]| -> Vec<String> {
            list.iter()
                .map(|(name, count)| match count {
                    Count::Exactly(count) => format!("{name} {count}"),
                    other => format!("{name} {other}"),
                })
                .collect()
        };
        let verified = match self.verified {
            None | Some(Count::Exactly(_)) => seen.verified.to_string(),
            Some(other) => other.to_string(),
        };
        let exit = if self.exit.len() == 1 { seen.exit.to_string() } else { format!("{:?}", self.exit) };
        format!(
            "verified {verified}, bypassed {:?}, unverified {:?}, mirrors {}, exit {exit}",
            fixed(&self.bypassed),
            fixed(&self.unverified),
            seen.mirrors
        )
    }
}

/// What the gate said.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    pub requests: u64,
    pub verified: u64,
    pub bypassed: BTreeMap<String, u64>,
    pub unverified: BTreeMap<String, u64>,
    pub mirrors: u64,
    /// Bypassed for certain, though none can be named.
    pub forced: u64,
    pub exit: i32,
}

impl Counts {
    /// Of what the program wrote of a policy, with those that may still change, and its exit code.
    pub fn read(policy: &Value, provisional: &Value, exit: i32) -> Self {
        let map = |name: &str| serde_json::from_value(policy[name].clone()).unwrap_or_default();
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        Self {
            requests: number(&policy["requests"]),
            verified: number(&policy["verified"]) + number(provisional),
            bypassed: map("bypassed"),
            unverified: map("unverified"),
            mirrors: number(&policy["mirrors"]),
            forced: number(&policy["forced"]),
            exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Counts {
        Counts { verified: 3, bypassed: BTreeMap::from([("RouteBypass".to_owned(), 2)]), exit: 1, ..Counts::default() }
    }

    #[test]
    fn what_is_expected_has_no_differences() {
        let expected = Expected::exit(1).verified(3).bypassed("RouteBypass", Count::AtLeast(1));
        assert_eq!(expected.differences(&seen()), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_named_must_not_occur() {
        assert_eq!(
            Expected::exit(0).differences(&seen()),
            [
                "verified: expected 0, seen 3",
                "bypassed RouteBypass: expected 0, seen 2",
                "exit code: expected [0], seen 1"
            ]
        );
    }
}
