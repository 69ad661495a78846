//! A container that evidence names is the inventory's own, where it is the same: each message on the bus brings copies, and the judge
//! remembers many messages of few containers. Where messages are unpacked, so that copies are given back where they were made.

use std::sync::Arc;

use crate::evidence::Evidence;
use crate::model::{ContainerRef, Owner, WatchList};

pub fn share(evidence: &mut Evidence, watch: &WatchList) {
    match evidence {
        Evidence::Opened { end, .. } | Evidence::Open { end, .. } => {
            // It was unpacked just now: nobody else has it.
            if let Some(Owner::Container(container)) = Arc::get_mut(end).map(|end| &mut end.owner) {
                with(container, watch);
            }
        }
        Evidence::Entered { instance: container, .. }
        | Evidence::Departed { instance: container, .. }
        | Evidence::Overdrawn { instance: container, .. }
        | Evidence::Arrived { at_pod: container, .. }
        | Evidence::Unreadable { at_pod: container, .. } => with(container, watch),
        Evidence::Closed { .. }
        | Evidence::Ended { .. }
        | Evidence::Narrowed { .. }
        | Evidence::Settled { .. }
        | Evidence::Received { .. }
        | Evidence::Abandoned { .. }
        | Evidence::Lost { .. }
        | Evidence::Tick { .. } => {}
    }
}

fn with(container: &mut Arc<ContainerRef>, watch: &WatchList) {
    if let Some(known) = watch.containers.get(&container.id).filter(|known| *known == container) {
        *container = Arc::clone(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::End;
    use crate::model::{ConnKey, MessageKey, PodRef, Side};

    /// Equal ones only: what a node says of a container that the inventory knows otherwise, or not at all, stays as it was said.
    #[test]
    fn a_container_that_the_inventory_knows_is_remembered_once() {
        let pod = PodRef { namespace: "n".into(), name: "p".into(), uid: "u".into() };
        let known = Arc::new(ContainerRef { node: "a".into(), pod, name: "c".into(), id: "id".into() });
        let watch = WatchList { containers: [("id".to_owned(), Arc::clone(&known))].into(), ..WatchList::default() };
        let rows = [
            (ContainerRef::clone(&known), true),
            (ContainerRef { name: String::new(), ..ContainerRef::clone(&known) }, false),
            (ContainerRef { id: "id-new".into(), ..ContainerRef::clone(&known) }, false),
        ];
        for (said, is_shared) in rows {
            let (local, peer) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
            let conn = ConnKey { client_isn: 1, server_isn: 1 };
            let key = MessageKey { conn, offset: 0, stream: 0 };
            let owner = Owner::Container(Arc::new(said.clone()));
            let end = Arc::new(End { owner, process: None, local, remote: peer, at: 1 });
            let mut entered =
                Evidence::Entered { key, instance: Arc::new(said.clone()), local, peer, digest: 1, at: 1 };
            let mut opened = Evidence::Opened { conn, side: Side::Active, end };
            share(&mut entered, &watch);
            share(&mut opened, &watch);
            let (Evidence::Entered { instance, .. }, Evidence::Opened { end, .. }) = (entered, opened) else {
                panic!()
            };
            let Owner::Container(owner) = &end.owner else { panic!() };
            for handed_on in [&instance, owner] {
                assert_eq!((&**handed_on, Arc::ptr_eq(handed_on, &known)), (&said, is_shared));
            }
        }
    }
}
