//! What a newer part of the watch list means for what is observed already. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::bus::control::Part;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// Pods and containers have come or gone, and nothing that is there has another role.
    More,
    /// Something that is observed has another role, or other guards: what was followed so far was followed for something
    /// else, so that observation begins anew. In words, why.
    Roles(String),
}

impl Change {
    pub fn between(old: &Part, new: &Part) -> Self {
        if old.revision == new.revision {
            return Self::Nothing;
        }
        if old.digest_key != new.digest_key {
            return Self::Roles("the key of the digests is another one".to_owned());
        }
        let both = |id: &&String| old.containers.contains_key(*id) && new.containers.contains_key(*id);
        let ids: BTreeSet<&String> = old.proxies.keys().chain(new.proxies.keys()).filter(both).collect();
        let name = |id: &str| new.containers.get(id).map_or_else(|| id.to_owned(), ToString::to_string);
        for id in ids {
            match (old.proxies.get(id), new.proxies.get(id)) {
                (Some(before), Some(after)) if before == after => {}
                (Some(_), Some(_)) => return Self::Roles(format!("other guards hold in {}", name(id))),
                (None, _) => return Self::Roles(format!("{} is a proxy now", name(id))),
                (_, None) => return Self::Roles(format!("{} is no proxy any more", name(id))),
            }
        }
        let was_there = |uid: &&String| old.pods.contains_key(*uid) && new.pods.contains_key(*uid);
        let targets = |part: &Part| -> BTreeSet<String> { part.protected.iter().filter(was_there).cloned().collect() };
        if let Some(uid) = targets(old).symmetric_difference(&targets(new)).next() {
            let pod = new.pods.get(uid).map_or_else(|| uid.clone(), |(pod, _)| pod.to_string());
            return Self::Roles(format!("pod {pod} is a target now, or is not any more"));
        }
        let moved = |old: &BTreeMap<String, _>, new: &BTreeMap<String, _>| {
            old.iter().any(|(uid, pod)| new.get(uid).is_some_and(|other| other != pod))
        };
        if moved(&old.pods, &new.pods) {
            return Self::Roles("a pod has another name than before".to_owned());
        }
        Self::More
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{ContainerRef, Guards, NamespacedName, PodRef, ProxyKind, ProxySpec};

    fn part(revision: u64, pods: &[&str]) -> Part {
        let mut part = Part { revision, ..Part::default() };
        for name in pods {
            let pod = PodRef { namespace: "hello".into(), name: (*name).into(), uid: format!("u-{name}") };
            let key = NamespacedName { namespace: "hello".into(), name: (*name).into() };
            part.pods.insert(pod.uid.clone(), (key, "n".into()));
            let id = format!("c-{name}");
            let container = ContainerRef { node: "n".into(), pod, name: "main".into(), id: id.clone() };
            part.containers.insert(id, Arc::new(container));
        }
        part
    }

    fn proxy(mut part: Part, name: &str, body: bool) -> Part {
        let guards = Guards { body, ..Guards::default() };
        part.proxies.insert(format!("c-{name}"), Arc::new(ProxySpec { kind: ProxyKind::Gateway, guards }));
        part
    }

    fn target(mut part: Part, name: &str) -> Part {
        part.protected.insert(format!("u-{name}"));
        part
    }

    #[test]
    fn only_another_role_of_something_known_begins_anew() {
        let base = || target(proxy(part(1, &["envoy", "web"]), "envoy", true), "web");
        let rows = [
            ("the same", base(), Change::Nothing),
            ("a pod more", target(proxy(part(2, &["envoy", "web", "x"]), "envoy", true), "web"), Change::More),
            (
                "a target more, in a new pod",
                { target(target(proxy(part(2, &["envoy", "web", "web2"]), "envoy", true), "web"), "web2") },
                Change::More,
            ),
            (
                "a proxy more, in a new pod",
                { proxy(target(proxy(part(2, &["envoy", "web", "e2"]), "envoy", true), "web"), "e2", true) },
                Change::More,
            ),
            ("a pod less", target(part(2, &["web"]), "web"), Change::More),
        ];
        for (what, new, expected) in rows {
            assert_eq!(Change::between(&base(), &new), expected, "{what}");
        }
        let rows = [
            ("other guards", target(proxy(part(2, &["envoy", "web"]), "envoy", false), "web"), "guards"),
            ("no proxy", target(part(2, &["envoy", "web"]), "web"), "no proxy"),
            ("no target", proxy(part(2, &["envoy", "web"]), "envoy", true), "target"),
            ("a proxy", proxy(target(proxy(part(2, &["envoy", "web"]), "envoy", true), "web"), "web", true), "a proxy"),
            ("another key", Part { digest_key: [1; 16], ..Part { revision: 2, ..base() } }, "key"),
        ];
        for (what, new, word) in rows {
            match Change::between(&base(), &new) {
                Change::Roles(why) => assert!(why.contains(word), "{what}: {why}"),
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}
