//! Whether a value can be the product of what a route or filter does.

use std::collections::BTreeSet;

use crate::model::Touch;

/// Whether `value` (`None`: the header is absent) can be what one of the touches leaves behind.
///
/// Of several touches the last one decides what the value ends in or is equal to, so each is asked by itself.
pub fn could_produce(touches: &BTreeSet<Touch>, value: Option<&str>) -> bool {
    touches.iter().any(|touch| match (touch, value) {
        (Touch::Unknown, _) => true,
        (Touch::Remove, value) => value.is_none_or(str::is_empty),
        (Touch::Set(constant), value) => path_or_value_is(value.unwrap_or_default(), constant),
        (Touch::Add(constant), value) => value.unwrap_or_default().trim_end().ends_with(constant.trim()),
        (Touch::Prefix(prefix), Some(value)) => value.starts_with(prefix.trim_end_matches('/')),
        (Touch::Prefix(_), None) => false,
    })
}

/// A replaced full path keeps the query of the request.
fn path_or_value_is(value: &str, constant: &str) -> bool {
    let value = value.trim();
    let constant = constant.trim();
    value.strip_prefix(constant).is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
}
