//! The digest of a head's octets: what both ends of a connection must agree on.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

pub(super) fn digest(key: &[u8; 16], raw: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(raw);
    hasher.finish()
}
