//! Keyed hashes: values do not leave this module, and nobody without the key can make two of them equal.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

/// Key of one installation; hashes made with different keys never compare.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    empty: SipHasher13,
}

impl Hasher {
    pub fn new(key: (u64, u64)) -> Self {
        Self { empty: SipHasher13::new_with_keys(key.0, key.1) }
    }

    pub fn bytes(&self, value: &[u8]) -> u64 {
        let mut sip = self.empty;
        sip.write(value);
        sip.finish()
    }

    /// Of a name whose letters' case does not matter.
    pub fn lower(&self, name: &[u8]) -> u64 {
        let mut lower: SmallVec<[u8; 64]> = SmallVec::from_slice(name);
        lower.make_ascii_lowercase();
        self.bytes(&lower)
    }

    pub fn words(&self, words: &[u64]) -> u64 {
        let mut sip = self.empty;
        words.iter().for_each(|word| sip.write_u64(*word));
        sip.finish()
    }
}
