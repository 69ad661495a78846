//! Policies are divided into partitions, and each partition has one verifier at a time that judges it.

use std::fmt;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

/// Into how many partitions policies are divided. All verifiers of an installation have to divide alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(u16);

/// What each of them asks of every agent is answered by it: more of them are rather more installations.
pub const MOST: u16 = 16;

impl Partitions {
    /// Between 1 and [`MOST`].
    pub fn new(count: u16) -> Option<Self> {
        (1..=MOST).contains(&count).then_some(Self(count))
    }

    pub fn count(self) -> u16 {
        self.0
    }

    pub fn all(self) -> impl Iterator<Item = u16> + Clone {
        0..self.0
    }

    /// Where the policy with this UID belongs. The same wherever it is asked.
    pub fn of(self, uid: &str) -> u16 {
        let mut hasher = SipHasher13::new();
        uid.hash(&mut hasher);
        u16::try_from(hasher.finish() % u64::from(self.0)).unwrap_or_default()
    }

    /// What this partition is called where others might mean another one by the same number.
    pub fn name(self, partition: u16) -> String {
        format!("{partition}-of-{}", self.0)
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Partitions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse().ok().and_then(Self::new);
        count.ok_or_else(|| format!("a number between 1 and {MOST} is needed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_in_one_partition_and_they_share_evenly() {
        let partitions = Partitions::new(4).unwrap();
        let mut counts = [0; 4];
        for at in 0..4000 {
            counts[usize::from(partitions.of(&format!("uid-{at}")))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(Partitions::new(1).unwrap().of("uid-7"), 0);
        assert_ne!(
            Partitions::new(2).unwrap().name(1),
            partitions.name(1),
            "what is saved under it is of other policies"
        );
    }

    #[test]
    fn how_many_there_may_be_is_told() {
        for (text, expected) in [("1", Some(1)), ("16", Some(16)), ("0", None), ("17", None), ("two", None)] {
            assert_eq!(text.parse::<Partitions>().ok().map(Partitions::count), expected, "{text}");
        }
    }
}
