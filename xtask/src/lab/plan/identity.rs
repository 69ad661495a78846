//! Names that look like Kubernetes' and containerd's own, and are the same whenever the same lab is planned again.

/// A UUID made of what the object is called.
pub(super) fn uid(parts: &[&str]) -> String {
    let hex = digits(parts, 2);
    // Version 4, variant 1: what an API server would write.
    format!("{}-{}-4{}-8{}-{}", &hex[0..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// 64 hexadecimal digits.
pub(super) fn container_id(parts: &[&str]) -> String {
    digits(parts, 4)
}

/// `words` times 16 digits of FNV-1a over the parts; collisions between a few dozen names are not a concern.
fn digits(parts: &[&str], words: u64) -> String {
    let word = |salt: u64| {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for part in parts {
            for byte in part.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        // The finish of SplitMix64: FNV alone leaves the names' order visible.
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    };
    (1..=words).map(|salt| format!("{:016x}", word(salt))).collect()
}
