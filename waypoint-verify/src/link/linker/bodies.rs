//! The body constraint: decoded lengths differ. Known only later, when both messages are complete.
//!
//! It narrows provenance: candidates whose own body is complete and of another length are taken out of a link; whose
//! body is not known stay. Payments are not made anew: a class stays as coarse as it was when the departure was counted,
//! so a count can only be too lenient, never too strict. There is one exception: a departure that is left without any
//! candidate was caused by none of its class, so it needs no payment and is taken out, if it still waits for one.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{Link, Linker};
use crate::model::MessageKey;

#[derive(Debug)]
struct Open {
    link: Link,
    class: u64,
}

/// Departures whose body is not complete.
#[derive(Debug, Default)]
pub struct Bodies {
    open: FxHashMap<MessageKey, Open>,
    order: VecDeque<MessageKey>,
}

impl Bodies {
    pub fn departed(&mut self, bound: usize, key: MessageKey, link: &Link, class: u64) {
        self.open.insert(key, Open { link: link.clone(), class });
        self.order.push_back(key);
        if self.order.len() > 2 * bound.min(self.open.len()) + 64 {
            while self.open.len() > bound
                && let Some(oldest) = self.order.pop_front()
            {
                self.open.remove(&oldest);
            }
            self.order.retain(|key| self.open.contains_key(key));
        }
    }
}

impl Linker {
    /// An entry is complete: `body` octets, decoded. Not to be called for one that was aborted or switched protocols.
    pub fn entry_ended(&mut self, key: MessageKey, body: u64) {
        if self.plan.body
            && let Some(entry) = self.entries.get_mut(key)
            && !entry.facts.translated_body
        {
            entry.body = Some(body);
        }
    }

    /// A departure is complete: `body` octets, decoded. Not to be called for one that was aborted or switched protocols.
    /// Gives its link, if this makes it narrower.
    pub fn departure_ended(&mut self, key: MessageKey, body: u64) -> Option<Link> {
        let Open { mut link, class } = self.bodies.open.remove(&key)?;
        let before = link.candidates.len();
        let other_body =
            |key: &MessageKey| self.entries.get(*key).and_then(|entry| entry.body).is_some_and(|known| known != body);
        link.candidates.retain(|candidate| !other_body(candidate));
        if link.candidates.len() == before {
            return None;
        }
        if link.candidates.is_empty() && link.counted && !link.more {
            link.counted = !self.payments.withdraw(class, key);
        }
        Some(link)
    }

    /// Departures whose body may still narrow their link.
    pub(super) fn await_body(&mut self, key: MessageKey, link: &Link, class: u64) {
        if self.plan.body && !link.candidates.is_empty() {
            self.bodies.departed(self.limits.live_entries, key, link, class);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::link::testing::{Scene, gateway, request};

    use super::Bodies;

    #[test]
    fn no_more_departures_wait_for_their_body_than_the_bound_and_the_oldest_gives_way() {
        let mut scene = Scene::of(&gateway());
        let (_, link) = scene.departs(&request("GET /a"));
        let (mut bodies, mut newest) = (Bodies::default(), Vec::new());
        for _ in 0..1_000 {
            let key = scene.key();
            bodies.departed(4, key, &link, 1);
            newest.push(key);
            assert!(bodies.open.len() <= 2 * 4 + 65 && bodies.order.len() <= 2 * 4 + 65);
        }
        assert!(newest[newest.len() - 4..].iter().all(|key| bodies.open.contains_key(key)));
        // Those that are complete are not kept for the sake of one that never is.
        for _ in 0..1_000 {
            let key = scene.key();
            bodies.departed(2_000, key, &link, 1);
            bodies.open.remove(&key);
            assert!(bodies.order.len() <= 2 * bodies.open.len() + 66);
        }
    }
}
