//! Evidence of one node among several: a node testifies only of what it observed itself.

use super::state::State;
use super::{Judge, Judged};
use crate::evidence::Evidence;
use crate::model::{ConnKey, MessageKey, Owner, Side};

impl Judge {
    /// As [`Judge::apply`], of this node. What is said of a message or connection that another node testified of is not
    /// taken; returns whether it was. What names containers is to be checked before (`lockstep::claims`).
    pub fn apply_of(&mut self, node: &str, mut evidence: Evidence, out: &mut Vec<Judged>) -> bool {
        if let Evidence::Settled { keys } = &mut evidence {
            // What was forgotten meanwhile is not in it any more, and the others are paid for all the same.
            keys.retain(|key| self.state.departed_from(node, key));
        }
        let is_own = self.state.is_of(node, &evidence);
        if is_own {
            self.apply(evidence, out);
        }
        is_own
    }
}

impl State {
    fn is_of(&self, node: &str, evidence: &Evidence) -> bool {
        match evidence {
            Evidence::Closed { conn, side } => self.end_is_of(node, *conn, *side),
            Evidence::Ended { key, side: Side::Active, .. } | Evidence::Narrowed { key, .. } => {
                self.departed_from(node, key)
            }
            Evidence::Ended { key, side: Side::Passive, .. } => {
                self.entries.get(key).is_some_and(|entry| entry.instance.node == node) || self.arrived_at(node, key)
            }
            Evidence::Settled { keys } => !keys.is_empty(),
            Evidence::Received { key, .. } | Evidence::Abandoned { key, .. } => self.arrived_at(node, key),
            Evidence::Opened { .. }
            | Evidence::Open { .. }
            | Evidence::Entered { .. }
            | Evidence::Departed { .. }
            // Its count stands whatever was forgotten; it marks departures of its own instance only.
            | Evidence::Overdrawn { .. }
            | Evidence::Arrived { .. }
            | Evidence::Unreadable { .. }
            | Evidence::Lost { .. }
            | Evidence::Tick { .. } => true,
        }
    }

    /// A node tells of a departure before it tells more of it. What is not remembered may be another node's that comes yet.
    fn departed_from(&self, node: &str, key: &MessageKey) -> bool {
        self.departures.get(key).is_some_and(|departure| departure.instance.node == node)
    }

    fn arrived_at(&self, node: &str, key: &MessageKey) -> bool {
        self.arrivals.get(key).is_some_and(|arrival| arrival.at_pod.node == node)
    }

    fn end_is_of(&self, node: &str, conn: ConnKey, side: Side) -> bool {
        match self.connections.get(conn).and_then(|connection| connection.end(side)).map(|end| &end.owner) {
            Some(Owner::Container(container)) => container.node == node,
            Some(Owner::Host { node: of, .. }) => of == node,
            Some(Owner::Unknown { .. }) | None => true,
        }
    }
}
