use proptest::prelude::*;

use super::*;
use crate::report::outcome::samples::{all_verdicts, any, declared, outcome, verified};
use crate::report::outcome::{Level, OBSERVER};

#[test]
fn each_finding_is_an_annotation_and_what_fails_the_gate_is_an_error() {
    let told = github(&all_verdicts());
    let lines: Vec<_> = told.lines().collect();
    let starts = [
        "::notice title=WaypointPolicy hello/good::True: requests 20, verified 20",
        "::error title=WaypointPolicy hello/blind%3A Fewer requests were verified than were asked for::",
        "::error title=WaypointPolicy hello/past%3A A gateway reached the target without the waypoint::2 requests",
        "::error title=WaypointPolicy hello/past%3A Requests could not be verified%3A gap::1 request could",
    ];
    assert_eq!(lines.len(), starts.len(), "{told}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
    }
    assert!(lines[2].contains("RouteBypass [bypass/RouteBypass]%0AFind the route, Ingress"), "{told}");
}

#[test]
fn a_place_in_a_file_is_told() {
    for (line, expected) in [
        (Some(7), "::warning file=a%2Cb%3A%25.yaml,line=7,title=HTTPRoute hello/bypass%3A A declared"),
        (None, "::warning file=a%2Cb%3A%25.yaml,title=HTTPRoute"),
    ] {
        let mut policy = verified("good");
        policy.findings.push(declared("a,b:%.yaml", line));
        let told = github(&outcome(vec![policy]));
        assert!(told.lines().nth(1).unwrap().starts_with(expected), "{told}");
    }
}

#[test]
fn nothing_but_what_github_reads_as_a_sign_is_escaped() {
    for (text, in_message, in_property) in [
        ("100 %", "100 %25", "100 %25"),
        ("a\r\nb", "a%0D%0Ab", "a%0D%0Ab"),
        ("%0A", "%250A", "%250A"),
        ("a: b, c", "a: b, c", "a%3A b%2C c"),
        ("::error::x", "::error::x", "%3A%3Aerror%3A%3Ax"),
        ("é\u{2028}", "é\u{2028}", "é\u{2028}"),
    ] {
        assert_eq!((data(text).as_str(), property(text).as_str()), (in_message, in_property));
    }
}

/// As the runner does it.
fn unescaped(text: &str) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
    text.replace("%25", "%")
}

proptest! {
    /// No text ends a command, begins another, or is another when it is read.
    #[test]
    fn whatever_is_told_stays_one_command_a_line(outcome in any()) {
        let told = github(&outcome);
        let good = outcome.policies().iter().filter(|policy| policy.verdict == PolicyVerdict::True).count();
        let commands: Vec<_> = told.split_terminator('\n').collect();
        prop_assert_eq!(commands.len(), good + outcome.all_findings().count());
        for (command, (_, finding)) in commands.iter().skip(good).zip(outcome.all_findings()) {
            prop_assert!(!command.contains('\r'));
            let (head, message) = command[2..].split_once("::").unwrap();
            let properties = head.split_once(' ').unwrap().1;
            let expected = 1 + finding.location.iter().count()
                + finding.location.iter().filter_map(|location| location.line).count();
            prop_assert_eq!(properties.split(',').count(), expected);
            let (message, rule) = (unescaped(message), &finding.rule);
            prop_assert_eq!(message, format!("{} [{}]\n{}", finding.message, rule.id, rule.help));
        }
    }
}

#[test]
fn a_finding_of_no_policy_has_a_title_of_its_own() {
    let all = Outcome::new(
        vec![verified("good")],
        vec![OBSERVER.finding(Level::Note, "x")],
        outcome(vec![]).began,
        outcome(vec![]).ended,
    );
    let told = github(&all);
    assert!(
        told.lines().nth(1).unwrap().starts_with("::notice title=Something that people have to know of::x"),
        "{told}"
    );
}
