//! Who pays for what in one instance: the classes, the purse of irregular entries, and the attempts of one request.

use rustc_hash::FxHashMap;

use super::LinkEvent;
use super::entries::Entry;
use super::purse::{Decision, Purse};
use crate::link::class::{Class, Debt, Joined, Order, Outcome};
use crate::model::MessageKey;

/// The attempts of one request, by the `x-request-id` that the proxy gave it.
#[derive(Clone, Copy, Debug)]
struct Group {
    class: u64,
    first: MessageKey,
}

#[derive(Debug, Default)]
struct Account {
    class: Class,
    /// Groups that began in this class, by their first attempt: over when all entries are over that were complete before.
    groups: Vec<(Order, u64)>,
}

#[derive(Debug, Default)]
pub struct Payments {
    accounts: FxHashMap<u64, Account>,
    groups: FxHashMap<u64, Group>,
    pub purse: Purse,
    ready: Vec<LinkEvent>,
    waiting: usize,
}

impl Payments {
    pub fn unsettled(&self) -> bool {
        self.waiting > 0 || !self.ready.is_empty()
    }

    /// A departure that needs a payment. `regular`: entries of its class are among its candidates.
    /// `made_here`: its `x-request-id`, if the proxy made it.
    pub fn count(&mut self, class: u64, debt: Debt, regular: bool, made_here: Option<u64>) {
        let Some(key) = debt.keys.first().copied() else { return };
        if let Some(id) = made_here {
            let group = *self.groups.entry(id).or_insert(Group { class, first: key });
            if group.first != key && group.class == class {
                return self.further_attempt(class, group.first, key);
            }
            if group.first == key {
                self.accounts.entry(class).or_default().groups.push((debt.at, id));
            }
        }
        self.waiting += 1;
        let account = self.accounts.entry(class).or_default();
        if regular {
            account.class.depart(debt);
        } else {
            account.class.lent += 1;
            self.purse.lend(class, debt);
        }
    }

    fn further_attempt(&mut self, class: u64, first: MessageKey, key: MessageKey) {
        let undecided = self.purse.join(first, key);
        let joined = self.accounts.get_mut(&class).map_or(Joined::Unknown, |account| account.class.join(first, key));
        match joined {
            Joined::Waiting => {}
            _ if undecided => {}
            // The group is remembered, so its first attempt was decided; what is forgotten was paid for.
            Joined::Paid | Joined::Unknown => self.ready.push(LinkEvent::Settled([key].into_iter().collect())),
            Joined::Overdrawn => {
                self.ready.push(LinkEvent::Overdrawn { class, unpaid: vec![key], shared: Vec::new() });
            }
        }
    }

    /// Nothing can have caused it: it needs no payment. `false`: that was decided already.
    pub fn withdraw(&mut self, class: u64, key: MessageKey) -> bool {
        let withdrawn = self.accounts.get_mut(&class).is_some_and(|account| account.class.withdraw(key));
        self.waiting -= usize::from(withdrawn);
        withdrawn
    }

    /// An entry is over, and no longer among those of its class, of which `earliest` is the first one left.
    pub fn entry_over(&mut self, entry: &Entry, pays: bool, earliest: Option<Order>) {
        if entry.irregular {
            return self.purse.over(entry.key);
        }
        let class = entry.class;
        let Some(account) = self.accounts.get_mut(&class) else { return };
        let mut outcomes = Vec::new();
        if pays && account.class.entry_over(entry.span(), &mut outcomes) {
            self.waiting -= 1;
        }
        let mut dead = Vec::new();
        account.class.expire(earliest, &mut dead);
        for debt in dead {
            if debt.irregular.is_empty() {
                self.waiting -= 1;
                account.class.overdraw(debt, &mut outcomes);
            } else {
                account.class.lent += 1;
                self.purse.lend(class, debt);
            }
        }
        account.class.tidy(earliest);
        tell(class, outcomes, &mut self.ready);
        self.release(class, earliest);
    }

    /// Forgets groups of which no further attempt can come, and accounts in which nothing is open.
    fn release(&mut self, class: u64, earliest: Option<Order>) {
        let Some(account) = self.accounts.get_mut(&class) else { return };
        if account.class.lent == 0 {
            let over = |at: Order| earliest.is_none_or(|earliest| at <= earliest);
            let groups = &mut self.groups;
            account.groups.retain(|(at, id)| {
                if over(*at) {
                    groups.remove(id);
                }
                !over(*at)
            });
        }
        if earliest.is_none() && account.class.is_idle() {
            self.accounts.remove(&class);
        }
    }

    /// Decides what irregular entries pay. `earliest`: of the live entries of a class.
    pub fn settle_purse(&mut self, earliest: impl Fn(u64) -> Option<Order>) {
        let mut decisions = Vec::new();
        self.purse.settle(&mut decisions);
        for decision in decisions {
            let (Decision::Paid { class, .. } | Decision::Overdrawn { class, .. } | Decision::Shared { class, .. }) =
                decision;
            let mut outcomes = Vec::new();
            let account = self.accounts.entry(class).or_default();
            match decision {
                Decision::Paid { debt, .. } => {
                    outcomes.push(Outcome::Paid(debt.keys));
                    (account.class.lent, self.waiting) = (account.class.lent - 1, self.waiting - 1);
                }
                Decision::Overdrawn { debt, .. } => {
                    account.class.overdraw(debt, &mut outcomes);
                    (account.class.lent, self.waiting) = (account.class.lent - 1, self.waiting - 1);
                }
                Decision::Shared { debt, .. } => {
                    outcomes.push(Outcome::Overdrawn { unpaid: Vec::new(), shared: vec![debt.keys.to_vec()] });
                    account.class.share(debt.at, debt.ns, debt.keys, &mut outcomes);
                }
            }
            account.class.tidy(earliest(class));
            tell(class, outcomes, &mut self.ready);
            self.release(class, earliest(class));
        }
    }

    pub fn take(&mut self, out: &mut Vec<LinkEvent>) {
        out.append(&mut self.ready);
    }
}

fn tell(class: u64, outcomes: Vec<Outcome>, ready: &mut Vec<LinkEvent>) {
    ready.extend(outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Paid(keys) => LinkEvent::Settled(keys),
        Outcome::Overdrawn { unpaid, shared } => LinkEvent::Overdrawn { class, unpaid, shared },
    }));
}
