//! Text as XML 1.0 and YAML can hold it. Pure.

use serde_json::Value;

/// Characters that neither can hold, not even escaped, are replaced by U+FFFD; CR, which every reader of XML would drop, too.
pub fn clean(text: &str) -> String {
    let is_held = |c: char| matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_held(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Every text in it, names of fields included.
pub fn clean_all(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(all) => all.into_iter().map(clean_all).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (clean(&name), clean_all(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_held_is_replaced_and_the_rest_is_kept() {
        for (text, kept) in [
            ("a\u{0}\u{1b}[31mb", "a\u{fffd}\u{fffd}[31mb"),
            ("\u{fffe}\u{ffff}", "\u{fffd}\u{fffd}"),
            ("a\r\nb\tc", "a\u{fffd}\nb\tc"),
            ("<&>]]>\"'", "<&>]]>\"'"),
            ("\u{1f980}\u{e9}", "\u{1f980}\u{e9}"),
        ] {
            assert_eq!(clean(text), kept);
        }
    }

    #[test]
    fn every_text_of_an_object_is_cleaned() {
        let all = clean_all(json!({"a\u{0}": [{"b": "\u{1}"}, 1, null, true]}));
        assert_eq!(all, json!({"a\u{fffd}": [{"b": "\u{fffd}"}, 1, null, true]}));
    }
}
