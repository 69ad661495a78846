//! What a policy waits for: connections of which an agent does not see what comes over them, because they are older than it is. Pure.

use std::fmt::Write as _;

use crate::model::{CompiledPolicy, OlderConnections, ProxyKind, WatchList};

/// Groups that are named.
const NAMED: usize = 4;

/// Of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Connections into its targets: a request that comes over one of these is not seen, whoever sends it.
    pub unseen: u64,
    /// In words, with those into its proxies; nothing: there are none.
    pub words: String,
}

impl Waits {
    /// `told`: by node.
    pub fn of<'a>(
        policy: &CompiledPolicy,
        watch: &WatchList,
        told: impl Iterator<Item = (&'a str, &'a OlderConnections)>,
    ) -> Self {
        let (mut unseen, mut all, mut oldest) = (0, 0, 0);
        let mut groups = Vec::new();
        for (node, older) in told {
            let before = all;
            for group in &older.groups {
                let (pod, id) = (&group.container.pod, &group.container.id);
                let is_gateway = watch.proxies.get(id).is_some_and(|proxy| proxy.kind == ProxyKind::Gateway);
                let into_target = policy.targets.contains(&pod.uid);
                if into_target {
                    unseen += group.connections;
                } else if !is_gateway && !policy.waypoint.contains(id) {
                    continue;
                }
                all += group.connections;
                let owner = format!("{node} pod {}/{}", pod.namespace, pod.name);
                groups.push((into_target, older.seconds, group.connections, format!("{owner} from {}", group.peer)));
            }
            if older.more > 0 {
                // They may be anybody's.
                (unseen, all) = (unseen + older.more, all + older.more);
                groups.push((true, older.seconds, older.more, format!("{node}, pods that are not named")));
            }
            if all > before {
                oldest = oldest.max(older.seconds);
            }
        }
        if all == 0 {
            return Self::default();
        }
        // Those for which it waits in any case.
        groups.sort_by(|one, other| (other.0, other.2, &one.3).cmp(&(one.0, one.2, &other.3)));
        let mut words =
            format!("waits for {all} connections older than the agents (the oldest: {} or more):", age(oldest));
        for (at, (_, seconds, connections, owner)) in groups.iter().take(NAMED).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(words, "{comma} {connections} {owner} ({})", age(*seconds));
        }
        if groups.len() > NAMED {
            let _ = write!(words, " and {} more", groups.len() - NAMED);
        }
        Self { unseen, words }
    }
}

/// In coarse steps: a status is written when its text changes.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{} s", seconds / 10 * 10),
        60.. => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::{ContainerRef, Guards, NamespacedName, OlderGroup, PodRef, ProxySpec};

    fn container(name: &str) -> Arc<ContainerRef> {
        let pod = PodRef { namespace: "hello".into(), name: name.into(), uid: format!("u-{name}") };
        Arc::new(ContainerRef { node: "node-1".into(), pod, name: "main".into(), id: format!("c-{name}") })
    }

    fn group(name: &str, peer: &str, connections: u64) -> OlderGroup {
        OlderGroup { container: container(name), peer: peer.parse().unwrap(), connections }
    }

    fn policy() -> CompiledPolicy {
        CompiledPolicy {
            name: NamespacedName { namespace: "hello".into(), name: "p".into() },
            targets: BTreeSet::from(["u-backend".to_owned()]),
            waypoint: BTreeSet::from(["c-waypoint".to_owned()]),
            via: Vec::new(),
            entry: None,
            exempt: Vec::new(),
            window: Duration::from_secs(600),
        }
    }

    fn waits(told: &[(&str, OlderConnections)]) -> Waits {
        let mut watch = WatchList::default();
        let gateway = ProxySpec { kind: ProxyKind::Gateway, guards: Guards::default() };
        watch.proxies.insert("c-envoy".into(), Arc::new(gateway));
        Waits::of(&policy(), &watch, told.iter().map(|(node, older)| (*node, older)))
    }

    fn older(seconds: u64, groups: Vec<OlderGroup>, more: u64) -> OlderConnections {
        OlderConnections { seconds, groups, more }
    }

    #[test]
    fn it_names_count_age_and_owner_and_counts_what_is_not_seen() {
        let first = older(312, vec![group("backend", "10.0.0.9", 2), group("other", "10.0.0.9", 7)], 0);
        let second = older(25, vec![group("waypoint", "10.0.0.8", 1), group("envoy", "10.0.0.7", 1)], 0);
        let waits = waits(&[("node-1", first), ("node-2", second)]);
        assert_eq!(waits.unseen, 2);
        assert_eq!(
            waits.words,
            "waits for 4 connections older than the agents (the oldest: 5 min or more): \
             2 node-1 pod hello/backend from 10.0.0.9 (5 min), 1 node-2 pod hello/envoy from 10.0.0.7 (20 s), \
             1 node-2 pod hello/waypoint from 10.0.0.8 (20 s)"
        );
    }

    #[test]
    fn what_is_told_without_a_name_may_be_a_target_and_many_are_cut() {
        assert_eq!(waits(&[("node-1", older(60, vec![group("other", "10.0.0.9", 7)], 0))]), Waits::default());
        assert_eq!(waits(&[("node-1", older(60, Vec::new(), 3))]).unseen, 3);
        let many = (0..50).map(|peer| group("backend", &format!("10.0.0.{peer}"), 1)).collect();
        let many = waits(&[("node-1", older(60, many, 0))]);
        assert_eq!(many.unseen, 50);
        assert!(many.words.ends_with("and 46 more") && many.words.len() < 400, "{}", many.words);
    }
}
