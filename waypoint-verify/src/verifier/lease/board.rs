//! What the Leases of all partitions say, and what a verifier does about each of them. Pure.
//!
//! Whoever holds a Lease judges the policies of its partition. Verifiers share the partitions without knowing of each other
//! but by the Leases:
//!
//! - One that holds some waits before it takes a free one, the longer the more it holds: one that holds fewer is quicker.
//! - One that holds two less than another writes into a Lease of that one that it would like to have it. Its holder gives it
//!   back.
//! - Verifiers that divide policies into another number of partitions are waited for: two that divide differently would both
//!   judge some policy. Where both hold Leases already (each took one at the same time), whoever holds the first one stays.

use std::collections::BTreeMap;
use std::time::Duration;

/// For each Lease that a verifier holds, so much longer does it wait before it takes a free one.
const HESITATE: Duration = Duration::from_secs(5);

/// One Lease, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Nobody, if it was given back, or not renewed for too long.
    pub holder: Option<String>,
    /// Into how many partitions its holder divides the policies.
    pub partitions: u16,
    /// Who would like to have it.
    pub wanted_by: Option<String>,
    /// How long it has been nobody's.
    pub free_for: Duration,
}

/// What to do about one Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is ours: renew it.
    Keep,
    /// It is nobody's: take it.
    Take,
    /// It is ours, and another verifier has less to do.
    GiveBack,
    /// It is another one's, who has more to do: ask for it.
    Ask,
    /// It is another one's, or it is not our turn yet.
    Wait,
}

/// For each partition, what `me` does who divides the policies into `partitions`. A Lease that is not there is free from the
/// start.
pub fn turns(me: &str, partitions: u16, seen: &BTreeMap<u16, Seen>) -> Vec<Turn> {
    let holder = |partition: u16| seen.get(&partition).and_then(|seen| seen.holder.as_deref());
    let divides_differently = |seen: &Seen| seen.holder.is_some() && seen.partitions != partitions;
    let first_is_theirs = seen.get(&0).is_some_and(divides_differently);
    let some_are_theirs = seen.values().any(divides_differently);
    let held = |by: &str| (0..partitions).filter(|partition| holder(*partition) == Some(by)).count();
    let mut mine = held(me);
    let mut asked = seen.values().any(|seen| seen.wanted_by.as_deref() == Some(me) && seen.holder.is_some());
    let mut turn = |partition: u16| {
        let none = Seen { free_for: Duration::MAX, ..Seen::default() };
        let seen = seen.get(&partition).unwrap_or(&none);
        match seen.holder.as_deref() {
            Some(holder) if holder == me => {
                let has_less = |other: &String| other != me && held(other) + 2 <= mine;
                if first_is_theirs || seen.wanted_by.as_ref().is_some_and(has_less) {
                    mine -= 1;
                    return Turn::GiveBack;
                }
                Turn::Keep
            }
            Some(holder) => {
                let wants = !asked && !some_are_theirs && mine + 2 <= held(holder) && seen.wanted_by.is_none();
                asked |= wants;
                if wants { Turn::Ask } else { Turn::Wait }
            }
            None => {
                let hesitation = HESITATE.saturating_mul(u32::try_from(mine).unwrap_or(u32::MAX));
                let is_turn = seen.wanted_by.as_deref() == Some(me) || seen.free_for >= hesitation;
                if some_are_theirs || !is_turn {
                    return Turn::Wait;
                }
                mine += 1;
                Turn::Take
            }
        }
    };
    (0..partitions).map(&mut turn).collect()
}

#[cfg(test)]
mod tests;
