//! What a field is to the rules of RFC 9113 section 8, found once: a table entry keeps it.

use crate::wire::chars::{LOWER, VALUE, all, is};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Method,
    Scheme,
    Authority,
    Path,
    /// Of extended CONNECT (RFC 8441).
    Protocol,
    /// A pseudo-header field that no request has (section 8.3).
    Pseudo,
    Host,
    Length,
    /// Only `trailers` (section 8.2.2).
    Te,
    Expect,
    /// Speaks of one connection of HTTP/1 (section 8.2.2).
    Connection,
    Plain,
    /// No token in lower case (section 8.2.1).
    BadName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub class: Class,
    /// The value has no control character and no space around it (section 8.2.1).
    pub value_ok: bool,
}

impl Field {
    pub fn of(name: &[u8], value: &[u8]) -> Self {
        let class = match class(name) {
            Class::Plain if !all(name, LOWER) => Class::BadName,
            class => class,
        };
        Self { class, value_ok: value_ok(value) }
    }

    /// Of a name and value that are known to be right.
    pub const fn sound(name: &[u8]) -> Self {
        Self { class: class(name), value_ok: true }
    }

    /// The same name with another value.
    pub fn with(self, value: &[u8]) -> Self {
        Self { value_ok: value_ok(value), ..self }
    }
}

const fn class(name: &[u8]) -> Class {
    match name {
        b":method" => Class::Method,
        b":scheme" => Class::Scheme,
        b":authority" => Class::Authority,
        b":path" => Class::Path,
        b":protocol" => Class::Protocol,
        [b':', ..] => Class::Pseudo,
        b"host" => Class::Host,
        b"content-length" => Class::Length,
        b"te" => Class::Te,
        b"expect" => Class::Expect,
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => Class::Connection,
        _ => Class::Plain,
    }
}

fn value_ok(value: &[u8]) -> bool {
    let blank = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    !blank(value.first()) && !blank(value.last()) && value.iter().all(|octet| is(*octet, VALUE))
}
