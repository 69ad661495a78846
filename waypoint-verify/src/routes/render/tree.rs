//! Paths as a tree, in the order that traffic takes them.

use std::fmt::Write as _;

use super::super::path::{Class, Door, From, Hop, Path};
use super::super::{Analysis, Change, count};
use crate::manifest::Problem;
use crate::model::Bypass;

#[derive(Default)]
struct Node<'a> {
    hop: Option<&'a Hop>,
    branches: Vec<Node<'a>>,
    ends: Vec<&'a Path>,
}

pub fn tree(analysis: &Analysis) -> String {
    let mut text = headline(analysis);
    branches(&analysis.paths, &mut text);
    problems("unread", &analysis.unread, &mut text);
    problems("finding", &analysis.findings, &mut text);
    text
}

/// What a change opens and what it closes.
pub fn changes(change: &Change) -> String {
    let past = |all: &[Path]| all.iter().filter(|path| path.class.is_past()).count();
    let (opened, closed) = (past(&change.opened), past(&change.closed));
    let mut text = format!("{}: opens {}, closes {closed}, past the waypoint\n", change.policy, paths(opened));
    for (what, all) in [("opened", &change.opened), ("closed", &change.closed)] {
        if !all.is_empty() {
            let _ = write!(text, "\n== {what}\n");
            branches(all, &mut text);
        }
    }
    problems("unread", &change.unread, &mut text);
    text
}

fn branches(paths: &[Path], text: &mut String) {
    let mut root = Node::default();
    for path in paths {
        let mut node = &mut root;
        for hop in &path.hops {
            let at = node.branches.iter().position(|branch| branch.hop.is_some_and(|own| same(own, hop)));
            let at = at.unwrap_or_else(|| {
                node.branches.push(Node { hop: Some(hop), ..Node::default() });
                node.branches.len() - 1
            });
            node = &mut node.branches[at];
        }
        node.ends.push(path);
    }
    for branch in &root.branches {
        text.push('\n');
        write(branch, "", "", text);
    }
}

fn problems(what: &str, problems: &[Problem], text: &mut String) {
    if !problems.is_empty() {
        text.push('\n');
    }
    for problem in problems {
        let _ = writeln!(text, "{what}: {problem}");
    }
}

fn same(a: &Hop, b: &Hop) -> bool {
    a.object == b.object && a.what == b.what
}

fn headline(analysis: &Analysis) -> String {
    let counts = count(&analysis.paths);
    let of = |class: &str| counts.get(class).copied().unwrap_or_default();
    let outside = analysis.past().filter(|path| path.from_outside()).count();
    format!(
        "{}: {} past the waypoint ({outside} of them from outside), {} through it, {} closed, {} unknown\n",
        analysis.policy,
        paths(of("past")),
        of("through"),
        of("closed"),
        of("unknown")
    )
}

fn paths(number: usize) -> String {
    match number {
        1 => "1 declared path".into(),
        number => format!("{number} declared paths"),
    }
}

/// `first` stands before this node's own line, `rest` before all below it.
fn write(node: &Node<'_>, first: &str, rest: &str, text: &mut String) {
    if let Some(hop) = node.hop {
        let _ = writeln!(text, "{first}{}  {}", hop.object, hop.what);
    }
    let lines = node.branches.len() + node.ends.len();
    for (at, end) in node.ends.iter().enumerate() {
        let last = at + 1 == lines;
        let (own, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        write_end(end, &format!("{rest}{own}"), &format!("{rest}{below}"), text);
    }
    for (at, branch) in node.branches.iter().enumerate() {
        let last = node.ends.len() + at + 1 == lines;
        let (own, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        write(branch, &format!("{rest}{own}"), &format!("{rest}{below}"), text);
    }
}

fn write_end(path: &Path, first: &str, rest: &str, text: &mut String) {
    let reached = path.reaches.iter().map(|reached| {
        let ports = reached.ports.iter().map(|port| format!(":{port}")).collect::<Vec<_>>().join(" ");
        format!("{} {}", reached.workload, if ports.is_empty() { "any port" } else { &ports })
    });
    let mirror = if path.mirror { ", by a copy" } else { "" };
    let share = path.share.map(|share| format!(", {share:.0} % of them")).unwrap_or_default();
    let served = path.dialects.iter().map(|dialect| dialect.name()).collect::<Vec<_>>().join(" or ");
    let served = if served.is_empty() { served } else { format!(" [{served}]") };
    let _ = writeln!(
        text,
        "{first}{}  {}{mirror}{share}{served}",
        reached.collect::<Vec<_>>().join(", "),
        class(&path.class)
    );
    let mut line = |what: &str| {
        let _ = writeln!(text, "{rest}   {what}");
    };
    if !matches!(path.class, Class::Through) {
        path.doors.iter().for_each(|own| line(&door(own)));
    }
    path.notes.iter().for_each(|note| line(&format!("note: {note}")));
    match &path.witness {
        Some(witness) => line(&format!("witness: {}", witness.curl())),
        None if path.class.is_past() && !path.dialects.is_empty() => line("no witness found"),
        None => {}
    }
    if let Some(cure) = &path.cure {
        line(&format!("closes it: {cure}"));
    }
}

fn class(class: &Class) -> String {
    match class {
        Class::Past { kind } => format!("PAST THE WAYPOINT ({})", Bypass::names(&[*kind])),
        Class::Unknown { why } => format!("UNKNOWN ({why})"),
        Class::Closed { by } => format!("closed ({by})"),
        Class::Through => "through the waypoint".into(),
    }
}

fn door(door: &Door) -> String {
    let from = match door.from {
        From::Outside => "from outside at",
        From::Cluster => "from any pod at",
        From::Node => "from processes of its node at",
    };
    format!("{from} {}", door.address)
}
