//! Classes of octets.

/// `tchar` (RFC 9110 section 5.6.2).
pub(super) const TOKEN: u8 = 1;
/// What a field value may hold: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5).
pub(super) const VALUE: u8 = 2;
/// What a request target may hold: anything that cannot end it. Wider than RFC 3986, because framing does not depend on it.
pub(super) const TARGET: u8 = 4;
/// What `host[:port]` is made of (RFC 3986 section 3.2.2).
pub(super) const HOST: u8 = 8;
pub(super) const HEX: u8 = 16;
/// `tchar` that HTTP/2 allows in a field name (RFC 9113 section 8.2.1): none in upper case.
pub(super) const LOWER: u8 = 32;

const fn class_of(octet: u8) -> u8 {
    let mut class = 0;
    let alphanumeric = octet.is_ascii_alphanumeric();
    if alphanumeric || is_in(octet, b"!#$%&'*+-.^_`|~") {
        class |= TOKEN;
        if !octet.is_ascii_uppercase() {
            class |= LOWER;
        }
    }
    if octet == b'\t' || (octet >= 0x20 && octet != 0x7f) {
        class |= VALUE;
    }
    if octet > 0x20 && octet != 0x7f {
        class |= TARGET;
    }
    if alphanumeric || is_in(octet, b"-._~%!$&'()*+,;=:[]") {
        class |= HOST;
    }
    if octet.is_ascii_hexdigit() {
        class |= HEX;
    }
    class
}

const fn is_in(octet: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == octet {
            return true;
        }
        i += 1;
    }
    false
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        {
            classes[octet] = class_of(octet as u8);
        }
        octet += 1;
    }
    classes
};

/// Whether there is anything, and all of it is of `class`.
pub(super) fn all(raw: &[u8], class: u8) -> bool {
    !raw.is_empty() && raw.iter().all(|octet| is(*octet, class))
}

pub(super) fn is(octet: u8, class: u8) -> bool {
    CLASSES[usize::from(octet)] & class != 0
}

/// Index of the first octet at or after `from` that is not of `class`; `None`: there is none.
pub(super) fn end_of(raw: &[u8], from: usize, class: u8) -> Option<usize> {
    let rest = raw.get(from..)?;
    rest.iter().position(|octet| !is(*octet, class)).map(|n| from + n)
}
