//! A container that evidence names is the inventory's own, where it is the same: each message on the bus brings copies, and the judge
//! remembers many messages of few containers.

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
