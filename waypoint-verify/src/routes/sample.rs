//! A string that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// `None` where the expression is none, or asks for what cannot be written (a look-around that fails, an empty class).
pub fn sample(pattern: &str) -> Option<String> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let mut text = Vec::new();
    write(&hir, &mut text)?;
    String::from_utf8(text).ok()
}

fn write(hir: &Hir, text: &mut Vec<u8>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend_from_slice(&literal.0),
        HirKind::Class(class) => {
            let mut buffer = [0; 4];
            text.extend_from_slice(one_of(class)?.encode_utf8(&mut buffer).as_bytes());
        }
        HirKind::Repetition(repetition) => {
            // One where it may be one: a request is better understood with something in each place.
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.max(1).min(most) {
                write(&repetition.sub, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
    }
    Some(())
}

/// A letter if the class has one, else a digit, else whatever it begins with that can be seen.
fn one_of(class: &Class) -> Option<char> {
    let has = |wanted: char| match class {
        Class::Unicode(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&wanted)),
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&(wanted as u32 as u8)))
        }
    };
    "axA0_-".chars().find(|wanted| has(*wanted)).or_else(|| ('!'..='~').find(|wanted| has(*wanted)))
}
