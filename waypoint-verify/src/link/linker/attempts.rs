//! Attempts of one request: departures of one class that share an `x-request-id` that the proxy made.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::link::class::Order;
use crate::model::MessageKey;

#[derive(Debug)]
struct Began {
    at: Order,
    id: u64,
    /// Irregular entries are among the candidates, so a further attempt may come while one of them is live.
    irregular: bool,
}

#[derive(Debug, Default)]
pub struct Groups {
    /// The class and first attempt, by id.
    by_id: FxHashMap<u64, (u64, MessageKey)>,
    /// Per class, in the order in which they began.
    began: FxHashMap<u64, SmallVec<[Began; 1]>>,
    /// Classes in which some are kept for the sake of irregular entries.
    pinned: Vec<u64>,
}

impl Groups {
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.began.is_empty()
    }

    /// The first attempts of this class of which further ones may come.
    pub fn of_class(&self, class: u64) -> impl Iterator<Item = MessageKey> {
        let ids = self.began.get(&class).into_iter().flatten().map(|began| began.id);
        ids.filter_map(|id| self.by_id.get(&id)).map(|(_, first)| *first)
    }

    /// The attempt that was the first of this id in this class; `None`: it is this one.
    pub fn first(&mut self, id: u64, class: u64, key: MessageKey, at: Order, irregular: bool) -> Option<MessageKey> {
        if let Some((known, first)) = self.by_id.get(&id) {
            return (*known == class).then_some(*first);
        }
        self.by_id.insert(id, (class, key));
        self.began.entry(class).or_default().push(Began { at, id, irregular });
        if irregular {
            self.pinned.push(class);
        }
        None
    }

    /// Forgets those of which no further attempt can come: every entry that was complete before is over.
    /// `irregular`: the first irregular one that is left.
    pub fn release(&mut self, class: u64, earliest: Option<Order>, irregular: Option<Order>) {
        if self.release_but(class, earliest, irregular) {
            self.pinned.push(class);
        }
    }

    /// The same for those that only irregular entries have kept, or can have caused. Gives the classes in which these
    /// keep none any more.
    pub fn release_pinned(&mut self, earliest: impl Fn(u64) -> Option<Order>, irregular: Option<Order>) -> Vec<u64> {
        let mut pinned = std::mem::take(&mut self.pinned);
        pinned.sort_unstable();
        pinned.dedup();
        let kept = |class: &u64| self.release_but(*class, earliest(*class), irregular);
        let (kept, released) = pinned.into_iter().partition(kept);
        self.pinned = kept;
        released
    }

    /// `true`: some are kept for irregular entries alone.
    fn release_but(&mut self, class: u64, earliest: Option<Order>, irregular: Option<Order>) -> bool {
        let Some(began) = self.began.get_mut(&class) else { return false };
        let over = |began: &Began| earliest.is_none_or(|earliest| began.at <= earliest);
        let by_id = &mut self.by_id;
        let mut pinned = false;
        began.retain(|began: &mut Began| {
            let kept = began.irregular && irregular.is_some_and(|first| first < began.at);
            let keep = !over(began) || kept;
            pinned |= over(began) && keep;
            if !keep {
                by_id.remove(&began.id);
            }
            keep
        });
        if began.is_empty() {
            self.began.remove(&class);
        }
        pinned
    }
}
