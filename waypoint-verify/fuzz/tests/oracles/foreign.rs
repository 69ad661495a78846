//! Other protocols: what is called wrongly, or read as HTTP.

use waypoint_verify::wire::{Malformed, Poison};
use waypoint_verify_fuzz::foreign::plan::{Kind, Plan};
use waypoint_verify_fuzz::foreign::{check, read};
use waypoint_verify_fuzz::told::Told;

#[test]
fn a_message_another_name_and_another_reason_are_caught() {
    let octets = b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let name = "PROXY protocol v1, claims 10.0.0.1:1 to 10.0.0.2:2".to_owned();
    let plan = Plan { kind: Kind::Proxy, octets, name, spoilt: false, step: 0 };
    let right = read(&plan.octets, 7);
    assert_eq!(check(&plan, &right), Ok(()));
    type Wrong = (&'static str, fn(&mut Told));
    let wrong: [Wrong; 5] = [
        ("a message", |told| told.messages = read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 9).messages),
        ("another name", |told| told.named = Some("PROXY protocol v1".into())),
        ("no name", |told| told.named = None),
        ("not poisoned", |told| told.poisoned = None),
        ("another reason", |told| told.poisoned = Some((0, Poison::Malformed(Malformed::RequestLine)))),
    ];
    for (what, how) in wrong {
        let mut told = right.clone();
        how(&mut told);
        assert!(check(&plan, &told).is_err(), "{what} passes");
    }
    let spoilt = Plan { spoilt: true, ..plan };
    assert_eq!(check(&spoilt, &Told { poisoned: right.poisoned, ..Told::default() }), Ok(()));
    let odd = Told { named: Some("a\u{1b}[0m".into()), ..Told::default() };
    assert!(check(&spoilt, &odd).is_err(), "a name that no terminal should print passes");
}
