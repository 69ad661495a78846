//! What is remembered of heads that were read already, so that a retransmission of one with other octets shows.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    offset: u64,
    len: u32,
    digest: u64,
}

/// The last `N` heads, by place and digest.
#[derive(Debug)]
pub(super) struct Recent<const N: usize> {
    heads: [Seen; N],
    next: u8,
}

impl<const N: usize> Default for Recent<N> {
    fn default() -> Self {
        Self { heads: [Seen::default(); N], next: 0 }
    }
}

impl<const N: usize> Recent<N> {
    pub fn remember(&mut self, offset: u64, len: u32, digest: u64) {
        self.heads[usize::from(self.next)] = Seen { offset, len, digest };
        self.next = (self.next + 1) % N as u8;
    }

    pub fn is_empty(&self) -> bool {
        self.heads[0].len == 0
    }

    /// Start of a head that lies wholly in `bytes` (which start at `at`) and differs there, unless the receiver has
    /// acknowledged it: what comes again after that is thrown away by TCP, whatever it is.
    pub fn contradicted(&self, at: u64, bytes: &[u8], acked: u64, key: &[u8; 16]) -> Option<u64> {
        let end = at + bytes.len() as u64;
        let differs = |seen: &&Seen| {
            let head_end = seen.offset + u64::from(seen.len);
            if seen.len == 0 || head_end <= acked || seen.offset < at || head_end > end {
                return false;
            }
            let from = usize::try_from(seen.offset - at).unwrap_or(usize::MAX);
            digest(key, &bytes[from..from + seen.len as usize]) != seen.digest
        };
        self.heads.iter().filter(differs).map(|seen| seen.offset).min()
    }
}

pub(super) fn digest(key: &[u8; 16], raw: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(raw);
    hasher.finish()
}
