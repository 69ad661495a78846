//! HTTP/1.1 requests, against hyper's server.
//!
//! Wherever the program says "a message", hyper must read the same one: method, target, authority, fields, and as many
//! octets of content. Where the program is stricter it poisons, and nothing is claimed. Where it does not poison, it must
//! not have missed a message that hyper saw.

pub mod server;

use crate::told::{Message, Told, read};
use crate::{Disagreement, demand, settle};
use server::{Request, Served, Stop, serve};

pub fn target(octets: &[u8]) {
    let (whole, _) = read(octets, []);
    // After each line, so that a switch is turned down before what follows it is read.
    let lines = octets.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
    let (told, stream) = read(octets, lines);
    if told.messages.iter().any(|message| message.stream != 0) {
        return;
    }
    settle(same_however_cut(octets, &whole, &told));
    settle(compare(octets, &told, serve));
    let bound = size_of_val(&stream) + 2 * 65_536 + 4096;
    assert!(stream.memory() <= bound, "{} octets are held, at most {bound} may be", stream.memory());
}

/// Poison may name another rule if it shows earlier, but what comes before it is the same.
fn same_however_cut(octets: &[u8], whole: &Told, lines: &Told) -> Result<(), Disagreement> {
    if whole.messages.iter().any(|message| message.switch) {
        let n = whole.messages.len();
        demand!(lines.messages.starts_with(&whole.messages[..n - 1]), "{whole:?}\nby lines: {lines:?}");
        return Ok(());
    }
    demand!(whole.messages == lines.messages, "{whole:?}\nby lines: {lines:?}");
    let as_strict = whole.poisoned.is_some() == lines.poisoned.is_some();
    demand!(as_strict || lines.may_wait(octets), "{whole:?}\nby lines: {lines:?}");
    demand!(whole.poisoned.is_some() || lines.poisoned.is_none(), "{whole:?}\nby lines: {lines:?}");
    Ok(())
}

/// `serve`: how the second parser reads octets that start a connection.
pub fn compare(octets: &[u8], told: &Told, serve: impl Fn(&[u8]) -> Served) -> Result<(), Disagreement> {
    let mut served = serve(octets);
    let mut theirs = std::mem::take(&mut served.requests).into_iter();
    let mut messages = told.messages.iter().peekable();
    while let Some(ours) = messages.next() {
        // Where we say that it ended.
        let rest = || ours.end.and_then(|(end, _)| octets.get(usize::try_from(end).ok()?..));
        let Some(request) = theirs.next() else {
            allowed_to_stop(ours, &served.stop)?;
            let Some(rest) = rest() else { return Ok(()) };
            served = serve(rest);
            theirs = std::mem::take(&mut served.requests).into_iter();
            continue;
        };
        same(ours, &request, told.poisoned.is_some())?;
        if ours.method == b"CONNECT" || ours.end.is_none() {
            return Ok(());
        }
        demand!(rest().is_some(), "ends beyond the octets: {ours:?}");
        // hyper closes after it; a proxy may not.
        if request.last && messages.peek().is_some() {
            demand!(theirs.len() == 0, "hyper read on after its last request");
            served = serve(rest().unwrap_or_default());
            theirs = std::mem::take(&mut served.requests).into_iter();
        }
    }
    if told.poisoned.is_none() {
        let more = theirs.next();
        demand!(more.is_none(), "hyper read a message that we neither saw nor poisoned: {more:?}");
    }
    Ok(())
}

/// What hyper refuses and we do not: none of it decides where a message ends.
fn allowed_to_stop(ours: &Message, stop: &Stop) -> Result<(), Disagreement> {
    match stop {
        // We take any octets in a target but those that end it.
        Stop::Refused(why) if why.contains("Parse(Uri)") || why.contains("Parse(VersionH2)") => Ok(()),
        Stop::Refused(why) if why.contains("Parse(TooLarge)") || why.contains("Parse(UriTooLong)") => Ok(()),
        other => Err(Disagreement(format!("a message for us, for hyper {other:?}: {ours:?}"))),
    }
}

fn same(ours: &Message, theirs: &Request, poisoned: bool) -> Result<(), Disagreement> {
    demand!(ours.method == theirs.method, "method: {ours:?}\nhyper: {theirs:?}");
    demand!(ours.http10 == theirs.http10, "version: {ours:?}\nhyper: {theirs:?}");
    demand!(target_of(&ours.target) == target_of(&theirs.target), "target: {ours:?}\nhyper: {theirs:?}");
    // Without one in the target, `Host` is compared as a field.
    if let Some(authority) = &theirs.authority {
        demand!(ours.authority.as_ref() == Some(authority), "authority: {ours:?}\nhyper: {theirs:?}");
    }
    let mut fields = ours.fields.clone();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    demand!(fields == theirs.fields, "fields: {ours:?}\nhyper: {theirs:?}");
    match (ours.end, theirs.content) {
        (Some((end, length)), Some(content)) => {
            demand!(length == content, "content: {ours:?}\nhyper: {theirs:?}");
            let framed = end.checked_sub(ours.offset + ours.head_len);
            let whole = ours.length.map_or_else(|| framed > Some(content), |length| framed == Some(length));
            demand!(whole, "its end does not fit its content: {ours:?}\nhyper: {theirs:?}");
        }
        (Some(_), None) => demand!(false, "it ended for us, not for hyper: {ours:?}\nhyper: {theirs:?}"),
        // hyper may be more lenient about chunks.
        (None, Some(_)) => demand!(poisoned, "it ended for hyper, not for us: {ours:?}\nhyper: {theirs:?}"),
        (None, None) => {}
    }
    Ok(())
}

/// hyper drops a fragment, and leaves an empty path empty.
fn target_of(target: &[u8]) -> Vec<u8> {
    let end = target.iter().position(|octet| *octet == b'#').unwrap_or(target.len());
    match &target[..end] {
        path @ ([] | [b'?', ..]) => [b"/", path].concat(),
        path => path.to_vec(),
    }
}
