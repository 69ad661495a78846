//! What the ways of one message have in common, and what of it may be claimed.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use crate::judge::tally::Share;
use crate::model::{Bypass, Bypasses, Class, Listener, MessageKey, Reason, Verdict};

/// What was found of one arrival.
#[derive(Clone, Debug)]
pub struct Found {
    pub verdict: Verdict,
    pub class: Class,
    /// Departures whose payment is still to come; the verdict is provisional until then.
    pub pending: Vec<MessageKey>,
    /// Departures whose payment the verdict rests on.
    pub relied_on: Vec<MessageKey>,
    pub overdrawn: Option<Share>,
    /// It rests on nobody having been seen to dial.
    pub unseen: bool,
    /// The listeners through which a bypass came.
    pub listeners: BTreeSet<Listener>,
    /// The entry (or the departure, where nothing entered) that shows what went wrong.
    pub culprit: Option<MessageKey>,
}

/// What one way of an arrival turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Through,
    Past(Bypass),
    Unknown(Reason),
}

/// What all ways of one message have in common.
#[derive(Debug, Default)]
pub(super) struct Ways<'a> {
    pub(super) ways: BTreeSet<Way>,
    pub(super) pending: Vec<MessageKey>,
    pub(super) relied_on: Vec<MessageKey>,
    /// Numbers of overdrawn classes; `None` where some way is not in one.
    pub(super) overdrawn: BTreeSet<Option<u32>>,
    /// A payment may be worth nothing because departures were lost.
    pub(super) uncounted: bool,
    /// A proxy on the way may have made it up.
    pub(super) unguarded: bool,
    pub(super) unseen: bool,
    pub(super) listeners: BTreeSet<Listener>,
    /// Where each way that is not through began, as far as it was followed.
    pub(super) culprits: Vec<MessageKey>,
    /// Causes that were looked at, by where on the path: equal requests have the same ones.
    visited: FxHashSet<(Place, MessageKey)>,
    /// The newest list of causes at each place.
    newest: SmallVec<[(Place, &'a [MessageKey]); 4]>,
}

/// Where on the path a message is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Entered a gateway behind the waypoint, by its number.
    Gateway(usize),
    /// Entered the waypoint.
    Waypoint,
    /// Entered a gateway before the waypoint.
    Entrance,
}

impl<'a> Ways<'a> {
    pub(super) fn add(&mut self, way: Way, culprit: MessageKey) {
        if way != Way::Through {
            self.culprits.push(culprit);
        }
        self.ways.insert(way);
    }

    /// What to look at of these causes. Departures of equal requests have nearly the same ones, in the same order: what
    /// they share with the list before them is not looked up one by one.
    pub(super) fn unseen_of(&mut self, place: Place, causes: &'a [MessageKey]) -> &'a [MessageKey] {
        let Some((_, newest)) = self.newest.iter_mut().find(|(at, _)| *at == place) else {
            self.newest.push((place, causes));
            return causes;
        };
        let newest = std::mem::replace(newest, causes);
        let start = causes.first().and_then(|first| newest.iter().position(|cause| cause == first));
        let shared = start.map_or(0, |start| newest[start..].iter().zip(causes).take_while(|(a, b)| a == b).count());
        &causes[shared..]
    }

    /// `true`: for the first time.
    pub(super) fn visit(&mut self, place: Place, key: MessageKey) -> bool {
        self.visited.insert((place, key))
    }

    pub(super) fn verdict(&self) -> Verdict {
        let unknown = self.ways.iter().find_map(|way| match way {
            Way::Unknown(reason) => Some(*reason),
            Way::Through | Way::Past(_) => None,
        });
        let past: Bypasses = self
            .ways
            .iter()
            .filter_map(|way| match way {
                Way::Past(kind) => Some(*kind),
                Way::Through | Way::Unknown(_) => None,
            })
            .collect();
        let through = self.ways.contains(&Way::Through);
        match (through, past.is_empty(), unknown) {
            (_, _, Some(reason)) => Verdict::Unverified(reason),
            (true, true, None) => Verdict::Verified,
            (false, false, None) => Verdict::Bypassed(past),
            (true, false, None) => Verdict::Unverified(Reason::Ambiguous),
            (false, true, None) => Verdict::Unverified(Reason::NoCandidate),
        }
    }
}
