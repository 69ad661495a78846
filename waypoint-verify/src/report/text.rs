//! Verdicts for people: one line, and what explains it below.

use std::io::{self, Write};

use crate::judge::{Explanation, Judged};
use crate::model::{Class, Verdict};

pub fn verdict(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    if judged.verdict == Verdict::Verified && !judged.is_final {
        return Ok(());
    }
    if let Some(withdrawn) = judged.withdrawn.as_ref().filter(|old| **old != judged.verdict) {
        writeln!(out, "WITHDRAWN {withdrawn} of {} under {}", judged.key, judged.policy)?;
    }
    let class = match &judged.class {
        Class::Request => String::new(),
        Class::Mirror => " [mirror]".into(),
        Class::Exempt(reason) => format!(" [exempt: {reason}]"),
    };
    let explanation = judged.explanation.as_deref();
    let request = explanation.map_or_else(String::new, |explanation| format!(" {}", explanation.request));
    writeln!(out, "{}{class} {}{request}", judged.verdict, judged.policy)?;
    match explanation {
        Some(explanation) if judged.verdict != Verdict::Verified => explain(out, explanation),
        _ => Ok(()),
    }
}

fn explain(out: &mut impl Write, explanation: &Explanation) -> io::Result<()> {
    writeln!(out, "  sent by {}", explanation.sender)?;
    for listener in &explanation.listeners {
        writeln!(out, "  through {listener}")?;
    }
    for hop in &explanation.hops {
        writeln!(out, "  {} {} ({} <- {}): {}", hop.place, hop.owner, hop.local, hop.remote, hop.linked_by)?;
    }
    if !explanation.detail.is_empty() {
        writeln!(out, "  {}", explanation.detail)?;
    }
    if let Some(cure) = explanation.cure {
        writeln!(out, "  to cure: {cure}")?;
    }
    Ok(())
}
