//! What was declared beside what was seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Analysis, Class, Path};
use crate::model::Bypass;

/// Of one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared<'a> {
    /// Past the waypoint, declared, and no request that came so was seen: a risk.
    pub unseen: Vec<&'a Path>,
    /// Past the waypoint, declared, and requests of its kind were seen.
    pub seen: Vec<&'a Path>,
    /// Requests seen of kinds that no declared path explains: a hole in what was read, or in the model.
    pub undeclared: Vec<(String, u64)>,
}

/// The kinds that a label of a tally names: each is possible.
pub fn kinds_of(label: &str) -> BTreeSet<Bypass> {
    Bypass::ALL.into_iter().filter(|kind| label.split(" or ").any(|part| part == kind.name())).collect()
}

/// `bypassed`: requests by kind, as tallies count them (`RouteBypass`, or `A or B` where either is possible).
pub fn compare<'a>(analysis: &'a Analysis, bypassed: &BTreeMap<String, u64>) -> Compared<'a> {
    let seen: BTreeSet<Bypass> =
        bypassed.iter().filter(|(_, count)| **count > 0).flat_map(|(label, _)| kinds_of(label)).collect();
    let mut compared = Compared { unseen: Vec::new(), seen: Vec::new(), undeclared: Vec::new() };
    let mut declared = BTreeSet::new();
    for path in &analysis.paths {
        let Class::Past { kind } = &path.class else { continue };
        declared.insert(*kind);
        if seen.contains(kind) { compared.seen.push(path) } else { compared.unseen.push(path) }
    }
    for (label, count) in bypassed.iter().filter(|(_, count)| **count > 0) {
        let kinds = kinds_of(label);
        // What a proxy makes up itself, or who cannot be seen, is no path that objects declare.
        let is_path = |kind: &Bypass| !matches!(kind, Bypass::WaypointOrigin | Bypass::UnknownSender);
        if kinds.iter().all(is_path) && kinds.is_disjoint(&declared) {
            compared.undeclared.push((label.clone(), *count));
        }
    }
    compared
}
