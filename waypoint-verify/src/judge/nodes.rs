//! Evidence of one node among several: a node testifies only of what it observed itself.

use super::state::State;
use super::{Judge, Judged};
use crate::evidence::Evidence;
use crate::model::{ConnKey, MessageKey, Owner, Side};

/// What became of a node's testimony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Testified {
    Taken,
    /// It speaks of what another node has observed, and was not taken.
    OfAnother,
    /// It speaks of what is not remembered (which may be another node's that comes yet), and was not taken.
    OfNothing,
}

impl Judge {
    /// As [`Judge::apply`], of this node. What is said of a message or connection that another node testified of is not
    /// taken. What names containers is to be checked before (`lockstep::claims`).
    pub fn apply_of(&mut self, node: &str, mut evidence: Evidence, out: &mut Vec<Judged>) -> Testified {
        let testified = self.state.whose(node, &evidence);
        if let Evidence::Settled { keys } = &mut evidence {
            // What was forgotten meanwhile is not in it any more, and the others are paid for all the same.
            keys.retain(|key| self.state.departed_from(node, key) == Testified::Taken);
        }
        if testified == Testified::Taken {
            self.apply(evidence, out);
        }
        testified
    }
}

impl State {
    fn whose(&self, node: &str, evidence: &Evidence) -> Testified {
        match evidence {
            Evidence::Closed { conn, side } => self.end_is_of(node, *conn, *side),
            Evidence::Ended { key, side: Side::Active, .. } | Evidence::Narrowed { key, .. } => {
                self.departed_from(node, key)
            }
            Evidence::Ended { key, side: Side::Passive, .. } => match self.entries.get(key) {
                Some(entry) if entry.instance.node == node => Testified::Taken,
                Some(_) => self.arrived_at(node, key).or(Testified::OfAnother),
                None => self.arrived_at(node, key),
            },
            Evidence::Settled { keys } => {
                keys.iter().fold(Testified::OfNothing, |all, key| all.or(self.departed_from(node, key)))
            }
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
            | Evidence::Tick { .. } => Testified::Taken,
        }
    }

    /// A node tells of a departure before it tells more of it.
    fn departed_from(&self, node: &str, key: &MessageKey) -> Testified {
        Testified::by(node, self.departures.get(key).map(|departure| departure.instance.node.as_str()))
    }

    fn arrived_at(&self, node: &str, key: &MessageKey) -> Testified {
        Testified::by(node, self.arrivals.get(key).map(|arrival| arrival.at_pod.node.as_str()))
    }

    fn end_is_of(&self, node: &str, conn: ConnKey, side: Side) -> Testified {
        match self.connections.get(conn).and_then(|connection| connection.end(side)).map(|end| &end.owner) {
            Some(Owner::Container(container)) => Testified::by(node, Some(&container.node)),
            Some(Owner::Host { node: of, .. }) => Testified::by(node, Some(of)),
            Some(Owner::Unknown { .. }) | None => Testified::Taken,
        }
    }
}

impl Testified {
    /// `observer`: the node that observed what is spoken of, if it is remembered.
    fn by(node: &str, observer: Option<&str>) -> Self {
        match observer {
            Some(observer) if observer == node => Self::Taken,
            Some(_) => Self::OfAnother,
            None => Self::OfNothing,
        }
    }

    /// Of both of these.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Taken, _) | (_, Self::Taken) => Self::Taken,
            (Self::OfAnother, _) | (_, Self::OfAnother) => Self::OfAnother,
            (Self::OfNothing, Self::OfNothing) => Self::OfNothing,
        }
    }
}
