//! What the cluster's objects declare, beside what was seen: every way to each policy's targets, as of one reading. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::manifest::{Object, Problem};
use crate::model::{Bypass, NamespacedName};
use crate::policy::{GROUP, take_policies};
use crate::report::outcome::{Finding, Level, declared_more, risks};
use crate::routes::{Analysis, Assumptions, Compared, Path, analyze_all, compare, kinds_of};

/// How old a reading may be; they are made anew every minute.
const OUTDATED: Duration = Duration::from_secs(300);
/// Ways that are told of one policy in its Report.
const TOLD: usize = 50;

/// As of one reading.
#[derive(Debug, Default)]
pub struct Declarations {
    /// Of which state of the objects that are watched; `None`: nothing was read yet.
    pub of: Option<u64>,
    /// When reading began: what is newer may not be in it.
    pub began: Option<Instant>,
    /// When it was made.
    pub made: Option<Instant>,
    /// How long it took to read it, and to make this of it.
    pub took: Duration,
    /// What could not be read.
    pub unread: Vec<Problem>,
    policies: BTreeMap<NamespacedName, Declared>,
}

/// Which object a policy is: its UID, and the generation of its spec.
pub type Identity = (String, i64);

/// Of one policy.
#[derive(Debug)]
struct Declared {
    of: Identity,
    analysis: Arc<Analysis>,
    /// Kinds of bypasses that objects have declared, with the Gateway where they begin (empty: at none), and when last.
    ways: BTreeMap<(Bypass, String), Instant>,
}

/// For whoever asks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    #[serde(flatten)]
    pub analysis: &'a Analysis,
    /// Requests within the policy's window that went past the waypoint, by kind.
    pub seen: &'a BTreeMap<String, u64>,
    /// Those of them that no object explains.
    pub undeclared: &'a BTreeMap<String, u64>,
}

impl Declarations {
    /// `before`: the reading before this one, which began at `began`.
    pub fn new(
        of: u64,
        objects: Vec<Object>,
        unread: Vec<Problem>,
        assumptions: &Assumptions,
        before: &Self,
        began: Instant,
    ) -> Self {
        let started = Instant::now();
        let identity = |object: &Object| {
            let meta = &object.json["metadata"];
            (meta["uid"].as_str().unwrap_or_default().to_owned(), meta["generation"].as_i64().unwrap_or_default())
        };
        let ours = objects.iter().filter(|object| object.key.group == GROUP);
        let identities: BTreeMap<_, _> = ours.map(|object| (object.key.name(), identity(object))).collect();
        // What is wrong with policies their status says.
        let (policies, objects) = take_policies(objects, &mut Vec::new());
        let analyses = analyze_all(objects, unread.clone(), &policies, assumptions);
        let of_policy = |name: NamespacedName, analysis: Analysis| {
            let of = identities.get(&name).cloned().unwrap_or_default();
            let known = before.policies.get(&name).filter(|known| known.of == of).map(|known| known.ways.clone());
            let mut ways = known.unwrap_or_default();
            let now: BTreeSet<_> = analysis.paths.iter().flat_map(ways_of).collect();
            // It was open until some time between both readings.
            let closed = ways.iter_mut().filter(|(way, last)| Some(**last) == before.began && !now.contains(*way));
            closed.for_each(|(_, last)| *last = started);
            ways.extend(now.into_iter().map(|way| (way, began)));
            (name, Declared { of, analysis: Arc::new(analysis), ways })
        };
        let found = policies.iter().zip(analyses);
        let policies = found.filter_map(|(policy, analysis)| Some(of_policy(policy.key(), analysis.ok()?))).collect();
        Self { of: Some(of), began: Some(began), made: Some(Instant::now()), took: started.elapsed(), unread, policies }
    }

    /// Nobody has read it anew for so long that what it says is worth nothing.
    pub fn is_outdated(&self) -> bool {
        self.began.is_some_and(|began| began.elapsed() > OUTDATED + self.took * 40)
    }

    /// `None`: this generation of it was not read yet, or its target is not there.
    pub fn analysis(&self, policy: &NamespacedName, of: (&str, i64)) -> Option<&Analysis> {
        let declared = self.policies.get(policy).filter(|one| (one.of.0.as_str(), one.of.1) == of)?;
        Some(&*declared.analysis)
    }

    pub fn analyses(&self) -> impl Iterator<Item = (&NamespacedName, &Analysis)> {
        self.policies.iter().map(|(name, declared)| (name, &*declared.analysis))
    }

    /// Of these requests, by kind, those that nothing explains which was declared since the window began, though they were seen before this
    /// reading began.
    pub fn undeclared(
        &self,
        policy: &NamespacedName,
        seen: &BTreeMap<String, u64>,
        sightings: &Sightings,
        window: Duration,
    ) -> BTreeMap<String, u64> {
        let (Some(declared), Some(began)) = (self.policies.get(policy), self.began) else { return BTreeMap::new() };
        // What was not read may explain it.
        if declared.analysis.is_partial() {
            return BTreeMap::new();
        }
        let is_known = |label: &str| {
            let kinds = kinds_of(label);
            declared.within(began, window).any(|(kind, _)| kinds.contains(kind))
        };
        let Compared { undeclared, .. } = compare(&declared.analysis, seen);
        let is_hole = |label: &str| sightings.before(policy, label, began, window) && !is_known(label);
        undeclared.into_iter().filter(|(label, _)| is_hole(label)).collect()
    }

    /// Of these bypasses (kinds, listeners that they came through, how long ago) those that came through Gateways by which nothing leads
    /// past the waypoint that was declared since the window began, though something of their kind was: by kind and listener.
    pub fn by_other_gateways<'a>(
        &self,
        policy: &NamespacedName,
        bypasses: impl Iterator<Item = (&'a [Bypass], &'a [String], Duration)>,
        window: Duration,
    ) -> BTreeMap<String, u64> {
        let (Some(declared), Some(began)) = (self.policies.get(policy), self.began) else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        if declared.analysis.is_partial() {
            return found;
        }
        let read = began.elapsed();
        for (kinds, listeners, _) in bypasses.filter(|(_, _, age)| *age > read && *age <= window) {
            let ways = || declared.within(began, window).filter(|(kind, _)| kinds.contains(kind));
            // What is no Gateway's listener is not named as objects are.
            let is_of =
                |begin: &str, listener: &String| listener.strip_prefix(begin).is_some_and(|rest| rest.starts_with(' '));
            let is_known = |listener: &String| {
                !listener.starts_with("Gateway ")
                    || ways().any(|(_, begin)| !begin.starts_with("Gateway ") || is_of(begin, listener))
            };
            if ways().next().is_some() && !listeners.is_empty() && !listeners.iter().any(is_known) {
                let label = format!("{} through {}", Bypass::names(kinds), listeners.join(" or "));
                *found.entry(label).or_default() += 1;
            }
        }
        found
    }
}

/// As what a request that takes it may be counted, and at which Gateway it begins, if at any.
fn ways_of(path: &Path) -> Vec<(Bypass, String)> {
    let begin = path.hops.first().map(|hop| &hop.object).filter(|object| object.starts_with("Gateway "));
    let kinds: &[Bypass] = match path.class.bypass() {
        // Of several Gateways behind the waypoint the first one is entered past it.
        Some(Bypass::UpstreamBypass) => &[Bypass::UpstreamBypass, Bypass::RouteBypass],
        Some(Bypass::DirectConnection) => &[Bypass::DirectConnection],
        Some(_) => &[Bypass::RouteBypass],
        None if path.is_otherwise_entered() => &[Bypass::RouteBypass],
        None => &[],
    };
    kinds.iter().map(|kind| (*kind, begin.cloned().unwrap_or_default())).collect()
}

impl Declared {
    /// Ways that were declared since the window began, as of a reading that began then.
    fn within(&self, began: Instant, window: Duration) -> impl Iterator<Item = &(Bypass, String)> {
        self.ways.iter().filter(move |(_, last)| began.duration_since(**last) <= window).map(|(way, _)| way)
    }
}

/// What a Report says of them; the gravest first, and not more than people read.
pub fn findings(analysis: &Analysis, seen: &BTreeMap<String, u64>, undeclared: &BTreeMap<String, u64>) -> Vec<Finding> {
    let mut compared = compare(analysis, seen);
    compared.undeclared = undeclared.clone().into_iter().collect();
    let mut findings = risks(&compared, analysis, &|_| None);
    findings.sort_by_key(|finding| finding.level);
    if findings.len() > TOLD {
        let left = findings.split_off(TOLD);
        let level = left.first().map_or(Level::Note, |finding| finding.level);
        findings.push(declared_more(level, left.len()));
    }
    findings
}

/// Since when bypasses of each kind are counted.
#[derive(Debug, Default)]
pub struct Sightings {
    /// By policy and kinds. `None`: since before this verifier looked, so that nobody knows what was declared then.
    since: BTreeMap<(NamespacedName, String), Option<Instant>>,
    /// The first look.
    began: Option<Instant>,
}

impl Sightings {
    /// `counted`: everything that is counted now, within windows. At every tick.
    pub fn update<'a>(
        &mut self,
        counted: impl Iterator<Item = (&'a NamespacedName, &'a BTreeMap<String, u64>)>,
        now: Instant,
    ) {
        let first = self.began.map(|_| now);
        let mut there = BTreeSet::new();
        for (policy, by_kind) in counted {
            for (label, _) in by_kind.iter().filter(|(_, count)| **count > 0) {
                let key = (policy.clone(), label.clone());
                self.since.entry(key.clone()).or_insert(first);
                there.insert(key);
            }
        }
        self.since.retain(|key, _| there.contains(key));
        self.began.get_or_insert(now);
    }

    /// What was counted before this verifier looked has left the window, when that is over: the rest is newer.
    fn before(&self, policy: &NamespacedName, label: &str, time: Instant, window: Duration) -> bool {
        let Some(since) = self.since.get(&(policy.clone(), label.to_owned())) else { return false };
        let since = since.or_else(|| self.began?.checked_add(window));
        since.is_some_and(|since| since < time)
    }
}

#[cfg(test)]
mod tests;
