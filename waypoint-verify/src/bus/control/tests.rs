use super::*;
use crate::model::{Guards, PodRef, ProxyKind};

/// A pod with a container on this node, which is a proxy and a target, too.
fn pod(watch: &mut WatchList, name: &str, node: &str) {
    let pod = PodRef { namespace: "hello".into(), name: name.into(), uid: format!("uid-{name}") };
    let key = NamespacedName { namespace: "hello".into(), name: name.into() };
    watch.pods.insert(pod.uid.clone(), (key, node.into()));
    watch.protected.insert(pod.uid.clone());
    let spec = ProxySpec { kind: ProxyKind::Waypoint, guards: Guards::default() };
    watch.proxies.insert(format!("id-{name}"), Arc::new(spec));
    let container = ContainerRef { node: node.into(), pod, name: "main".into(), id: format!("id-{name}") };
    watch.containers.insert(container.id.clone(), Arc::new(container));
}

#[test]
fn a_node_is_told_of_its_own_pods_and_of_a_change_there_only() {
    let mut watch = WatchList::default();
    pod(&mut watch, "one", "a");
    pod(&mut watch, "two", "b");
    pod(&mut watch, "elsewhere", "not asked for");
    let nodes = BTreeSet::from(["a".to_owned(), "b".to_owned(), "empty".to_owned()]);
    let parts = Part::of_nodes(&watch, &nodes, [7; 16]);
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["a", "b", "empty"]);
    for (node, name) in [("a", "one"), ("b", "two")] {
        let part = &parts[node];
        let told = (part.pods.keys(), part.protected.iter(), part.containers.keys(), part.proxies.keys());
        let (uid, id) = (vec![format!("uid-{name}")], vec![format!("id-{name}")]);
        assert_eq!((told.0.cloned().collect(), told.1.cloned().collect()), (uid.clone(), uid));
        assert_eq!((told.2.cloned().collect(), told.3.cloned().collect()), (id.clone(), id));
        assert_eq!(Part::decode(&part.encode().unwrap()).unwrap(), *part);
    }
    pod(&mut watch, "three", "b");
    let after = Part::of_nodes(&watch, &nodes, [7; 16]);
    assert_eq!((after["a"].revision, after["empty"].revision), (parts["a"].revision, parts["empty"].revision));
    assert_ne!(after["b"].revision, parts["b"].revision);
    assert!(after.values().all(|part| part.revision != 0));
}
