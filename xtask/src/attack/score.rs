//! The confusion matrix: what requests were, against what was said of them.

use std::fmt;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::label::{Intent, Label, is_exempt, without_class};

/// How many were Verified, Bypassed, Unverified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    pub verified: u64,
    pub bypassed: u64,
    pub unverified: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    pub legitimate: Said,
    pub bypass: Said,
}

impl Score {
    pub fn count(&mut self, label: &Label) {
        let said = match label.intent {
            Intent::Legitimate => &mut self.legitimate,
            Intent::Bypass => &mut self.bypass,
        };
        for (fate, count) in &label.seen {
            let exempt = is_exempt(fate);
            if exempt && label.intent == Intent::Legitimate {
                // What the policy exempts is shown, and not judged.
                continue;
            }
            let fate = without_class(fate);
            // A bypass that passes as exempt has got what it wanted.
            if fate == "Verified" || exempt {
                said.verified += count;
            } else if fate.starts_with("Unverified") {
                said.unverified += count;
            } else {
                said.bypassed += count;
            }
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.legitimate, &other.legitimate), (&mut self.bypass, &other.bypass)] {
            mine.verified += theirs.verified;
            mine.bypassed += theirs.bypassed;
            mine.unverified += theirs.unverified;
        }
    }

    /// The two numbers that must be 0.
    pub fn check(&self) -> Result<()> {
        ensure!(self.bypass.verified == 0, "{} bypassing requests were called Verified", self.bypass.verified);
        ensure!(self.legitimate.bypassed == 0, "{} legitimate requests were called Bypassed", self.legitimate.bypassed);
        Ok(())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12} {:>10} {:>10} {:>10}", "score", "Verified", "Bypassed", "Unverified")?;
        for (name, said) in [("legitimate", self.legitimate), ("bypass", self.bypass)] {
            writeln!(f, "{name:<12} {:>10} {:>10} {:>10}", said.verified, said.bypassed, said.unverified)?;
        }
        write!(f, "wrong Verified {}, wrong Bypassed {}", self.bypass.verified, self.legitimate.bypassed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_counted_where_it_belongs() {
        let mut score = Score::default();
        for (intent, what) in [
            (Intent::Legitimate, "Verified"),
            (Intent::Legitimate, "Mirror Verified"),
            (Intent::Legitimate, "Exempt Bypassed(DirectConnection)"),
            (Intent::Bypass, "Bypassed(RouteBypass or UpstreamBypass)"),
            (Intent::Bypass, "Unverified(gap)"),
        ] {
            let mut label = Label::new(intent, "a", "b", Vec::new());
            label.seen.insert(what.to_owned(), 2);
            score.count(&label);
        }
        assert_eq!(score.legitimate, Said { verified: 4, bypassed: 0, unverified: 0 });
        assert_eq!(score.bypass, Said { verified: 0, bypassed: 2, unverified: 2 });
        score.check().unwrap();
        let mut taken_for_exempt = Label::new(Intent::Bypass, "a", "b", Vec::new());
        taken_for_exempt.seen.insert("Exempt Bypassed(DirectConnection)".to_owned(), 1);
        score.count(&taken_for_exempt);
        assert!(score.check().is_err());
    }
}
