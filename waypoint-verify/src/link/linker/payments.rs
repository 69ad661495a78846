//! Who pays for what in one instance: the classes, the purse of irregular entries, and the attempts of one request.
//!
//! A debt that its class cannot pay is looked at once more: an irregular entry may pay, on whatever path ([`search`]).

use rustc_hash::FxHashMap;

use super::LinkEvent;
use super::attempts::Groups;
use super::entries::Entry;
use super::purse::Purse;
use super::search::{Payer, Search, search};
use crate::link::class::{Class, Debt, Joined, Order, Outcome};
use crate::model::MessageKey;

#[derive(Debug, Default)]
pub struct Payments {
    classes: FxHashMap<u64, Class>,
    groups: Groups,
    pub purse: Purse,
    /// Debts that no class pays, and that an irregular entry may pay.
    doubtful: Vec<(u64, Debt)>,
    ready: Vec<LinkEvent>,
    /// Classes of which something was returned, and that may be idle now.
    touched: Vec<u64>,
    /// Kept for its capacity.
    outcomes: Vec<Outcome>,
    waiting: usize,
}

impl Payments {
    pub fn unsettled(&self) -> bool {
        self.waiting > 0 || !self.ready.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.groups.is_empty()
    }

    /// A departure that needs a payment. `regular`: entries of its class are among its candidates.
    /// `made_here`: its `x-request-id`, if the proxy made it.
    pub fn count(&mut self, class: u64, debt: Debt, regular: bool, made_here: Option<u64>) {
        let Some(key) = debt.keys.first().copied() else { return };
        let first = made_here.and_then(|id| self.groups.first(id, class, key, debt.at, !debt.irregular.is_empty()));
        if let Some(first) = first {
            return self.further_attempt(class, first, key);
        }
        self.waiting += 1;
        let account = self.classes.entry(class).or_default();
        if regular {
            account.depart(debt);
        } else {
            account.lent += 1;
            self.doubtful.push((class, debt));
            self.purse.changed = true;
        }
    }

    fn further_attempt(&mut self, class: u64, first: MessageKey, key: MessageKey) {
        if let Some((_, debt)) = self.doubtful.iter_mut().find(|(_, debt)| debt.keys.contains(&first)) {
            return debt.keys.push(key);
        }
        self.purse.join(first, key);
        match self.classes.get_mut(&class).map_or(Joined::Unknown, |account| account.join(first, key)) {
            Joined::Waiting => {}
            // The group is remembered, so its first attempt was decided; what is forgotten was paid for.
            Joined::Paid | Joined::Unknown => self.ready.push(LinkEvent::Settled([key].into_iter().collect())),
            Joined::Overdrawn => {
                self.ready.push(LinkEvent::Overdrawn { class, unpaid: vec![key], shared: Vec::new() });
            }
        }
    }

    /// Nothing can have caused it: it needs no payment. `false`: that was decided already.
    pub fn withdraw(&mut self, class: u64, key: MessageKey) -> bool {
        let withdrawn = self.classes.get_mut(&class).is_some_and(|account| account.withdraw(key));
        self.waiting -= usize::from(withdrawn);
        withdrawn
    }

    /// An entry is over, and no longer among those of its class, of which `earliest` is the first one left.
    /// `irregular`: where the first irregular one that is left was complete.
    pub fn entry_over(&mut self, entry: &Entry, earliest: Option<Order>, irregular: Option<Order>) {
        if entry.irregular {
            let forgotten = self.purse.over(entry.key);
            forgotten.into_iter().for_each(|class| self.returned(class));
            return;
        }
        let class = entry.class;
        if let Some(account) = self.classes.get_mut(&class) {
            let mut outcomes = std::mem::take(&mut self.outcomes);
            if entry.acknowledged && account.entry_over(entry.span(), &mut outcomes) {
                self.waiting -= 1;
            }
            let mut dead = Vec::new();
            account.expire(earliest, &mut dead);
            account.lent += dead.len();
            tell(class, outcomes.drain(..), &mut self.ready);
            self.outcomes = outcomes;
            for debt in dead {
                self.decide(class, debt);
            }
        }
        self.groups.release(class, earliest, irregular);
        self.tidy(class, earliest);
    }

    /// A debt of this class that was paid from elsewhere is remembered no more.
    fn returned(&mut self, class: u64) {
        if let Some(account) = self.classes.get_mut(&class) {
            account.lent -= 1;
            self.touched.push(class);
        }
    }

    fn tidy(&mut self, class: u64, earliest: Option<Order>) {
        let Some(account) = self.classes.get_mut(&class) else { return };
        account.tidy(earliest, self.groups.of_class(class));
        if earliest.is_none() && account.is_forgotten() {
            self.classes.remove(&class);
        }
    }

    /// What a class cannot pay is paid from the purse, waits for it, or is overdrawn.
    fn decide(&mut self, class: u64, debt: Debt) {
        let found = match self.purse.is_empty() {
            true => Search::Stuck(Vec::new()),
            false => search(&self.classes, &self.purse, class, &debt),
        };
        match found {
            Search::Wait => self.doubtful.push((class, debt)),
            Search::Paid { way, free } => {
                self.waiting -= 1;
                self.ready.push(LinkEvent::Settled(debt.keys.clone()));
                self.pay(class, debt, &way, free);
            }
            Search::Stuck(reached) => {
                self.waiting -= 1;
                let Some(account) = self.classes.get_mut(&class) else { return };
                account.lent -= 1;
                let mut outcomes = Vec::new();
                account.overdraw(debt, &mut outcomes);
                tell(class, outcomes, &mut self.ready);
                self.share(reached);
            }
        }
    }

    /// Each payer on the way pays for the debt before its own, and `free` for the last one.
    fn pay(&mut self, mut class: u64, mut debt: Debt, way: &[Payer], free: MessageKey) {
        for payer in way {
            let before = match *payer {
                Payer::Regular(class, place) => self.classes.get_mut(&class).and_then(|account| {
                    account.lent -= 1;
                    account.pay_instead(place, debt.clone()).map(|before| (class, before))
                }),
                Payer::Irregular(key) => self.purse.pay(key, class, debt.clone()),
            };
            let Some(before) = before else { return };
            (class, debt) = before;
            if let (Payer::Regular(..), Some(account)) = (payer, self.classes.get_mut(&class)) {
                account.lent += 1;
            }
        }
        self.purse.pay(free, class, debt);
    }

    /// What the purse pays with what could have paid for an overdrawn debt is overdrawn with it.
    fn share(&mut self, reached: Vec<MessageKey>) {
        for payer in reached {
            let Some((class, Debt { keys, at, ns, .. })) = self.purse.paid(payer).cloned() else { continue };
            let mut outcomes = vec![Outcome::Overdrawn { unpaid: Vec::new(), shared: vec![keys.to_vec()] }];
            if let Some(account) = self.classes.get_mut(&class) {
                account.share(at, ns, &keys, &mut outcomes);
            }
            tell(class, outcomes, &mut self.ready);
        }
    }

    /// Decides what waits for irregular entries. `earliest`: of the live entries of a class; `irregular`: of the
    /// irregular ones.
    pub fn settle(&mut self, earliest: impl Fn(u64) -> Option<Order>, irregular: Option<Order>) {
        if std::mem::take(&mut self.purse.changed) {
            for (class, debt) in std::mem::take(&mut self.doubtful) {
                self.touched.push(class);
                self.decide(class, debt);
            }
            self.touched.extend(self.groups.release_pinned(&earliest, irregular));
        }
        if self.waiting == 0 && !self.purse.is_empty() {
            let closed = self.purse.close();
            closed.into_iter().for_each(|class| self.returned(class));
        }
        for class in std::mem::take(&mut self.touched) {
            self.tidy(class, earliest(class));
        }
    }

    pub fn take(&mut self, out: &mut Vec<LinkEvent>) {
        out.append(&mut self.ready);
    }
}

fn tell(class: u64, outcomes: impl IntoIterator<Item = Outcome>, ready: &mut Vec<LinkEvent>) {
    ready.extend(outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Paid(keys) => LinkEvent::Settled(keys),
        Outcome::Overdrawn { unpaid, shared } => LinkEvent::Overdrawn { class, unpaid, shared },
    }));
}
