//! Paths as a graph of Graphviz: objects are nodes, what leads from one to the next are edges.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::Analysis;
use super::super::path::Class;

pub fn dot(analysis: &Analysis) -> String {
    let mut edges: BTreeMap<(String, String), (BTreeSet<&str>, Class)> = BTreeMap::new();
    let mut ends = BTreeSet::new();
    for path in &analysis.paths {
        let doors: BTreeSet<_> = path.doors.iter().map(|door| door.from.to_string()).collect();
        let hops: Vec<_> = path.hops.iter().map(|hop| (hop.object.clone(), hop.what.as_str())).collect();
        let mut add = |from: String, to: String, what: &'_ str| {
            // The text lives as long as the analysis.
            let what = path.hops.iter().map(|hop| hop.what.as_str()).find(|own| *own == what).unwrap_or_default();
            let edge = edges.entry((from, to)).or_insert_with(|| (BTreeSet::new(), path.class.clone()));
            edge.0.insert(what);
            edge.1 = edge.1.clone().min(path.class.clone());
        };
        if let Some((first, _)) = hops.first() {
            doors.iter().for_each(|door| add(door.clone(), first.clone(), ""));
        }
        for pair in hops.windows(2) {
            add(pair[0].0.clone(), pair[1].0.clone(), pair[1].1);
        }
        for reached in &path.reaches {
            ends.insert(reached.workload.clone());
            if let Some((last, _)) = hops.last().filter(|(last, _)| *last != reached.workload) {
                add(last.clone(), reached.workload.clone(), "");
            }
        }
    }
    let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&analysis.policy));
    for end in ends {
        let _ = writeln!(text, "  {} [style=bold];", quoted(&end));
    }
    for ((from, to), (what, class)) in edges {
        let style = match class {
            Class::Past { .. } => "color=red",
            Class::Unknown { .. } => "color=orange style=dashed",
            Class::Closed { .. } => "color=gray style=dotted",
            Class::Through => "color=darkgreen",
        };
        let label = what.into_iter().filter(|what| !what.is_empty()).collect::<Vec<_>>().join("\n");
        let _ = writeln!(text, "  {} -> {} [{style} label={}];", quoted(&from), quoted(&to), quoted(&label));
    }
    text.push_str("}\n");
    text
}

/// A quoted string of the DOT language: only the quote is special; a line break is written as `\n`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n"))
}
