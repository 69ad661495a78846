//! What Kubernetes takes for a name, as a pattern for its own schema and as a function for files.

/// A name of an object: RFC 1123, with dots.
pub const OBJECT: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A name of a namespace: the same without dots.
pub const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
pub const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
/// With or without a prefix.
pub const LABEL_KEY: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// A header's name (RFC 9110, section 5.6.2).
pub const HEADER: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
/// Path and query of a request in origin form (RFC 9112, section 3.2.1), in visible characters.
pub const TARGET: &str = r##"^/[!-"$-~]*$"##;
/// A host, or an IPv6 address in brackets, with or without a port.
pub const AUTHORITY: &str = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$";

pub fn is_object(text: &str) -> bool {
    text.split('.').all(is_namespace)
}

pub fn is_namespace(text: &str) -> bool {
    framed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "-")
}

pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || framed(text, |c| c.is_ascii_alphanumeric(), "-_.")
}

pub fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_object) && name.len() <= 63 && !name.is_empty() && is_label_value(name)
}

pub fn is_header(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

pub fn is_target(text: &str) -> bool {
    text.starts_with('/') && text.chars().all(|c| c.is_ascii_graphic() && c != '#')
}

pub fn is_authority(text: &str) -> bool {
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_address = !address.is_empty() && address.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c));
            is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            !host.is_empty() && host.chars().all(is_name) && port.is_none_or(is_port)
        }
    }
}

/// Begins and ends with what `edge` allows; between there may be some more.
fn framed(text: &str, edge: impl Fn(char) -> bool, more: &str) -> bool {
    text.starts_with(&edge) && text.ends_with(&edge) && text.chars().all(|c| edge(c) || more.contains(c))
}
