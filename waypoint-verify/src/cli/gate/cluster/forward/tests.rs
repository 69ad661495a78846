use std::io;

use super::*;

fn forbidden() -> Error {
    Error::Forbidden { namespace: "wv".into(), said: "pods is forbidden".into() }
}

#[test]
fn a_missing_right_is_found_however_deep_it_is_wrapped() {
    assert!(is_forbidden(&forbidden().into()));
    let wrapped = io::Error::other(io::Error::other(forbidden()));
    assert!(is_forbidden(&anyhow::Error::from(wrapped).context("https://verifier").context("pod a")));
    for other in
        [anyhow::anyhow!("403"), Error::NoPod { namespace: "wv".into() }.into(), io::Error::other("403").into()]
    {
        assert!(!is_forbidden(&other), "{other}");
    }
}

#[test]
fn only_a_verifier_that_does_not_judge_names_another_one() {
    let answer =
        |status: u16, owner: &str| Response::builder().status(status).header(OWNER, owner).body(Bytes::new()).unwrap();
    assert_eq!(owner(&answer(503, "verifier-1")), Some("verifier-1"));
    assert_eq!(owner(&answer(200, "verifier-1")), None);
    assert_eq!(owner(&answer(503, "")), None);
    assert_eq!(owner(&Response::builder().status(503).body(Bytes::new()).unwrap()), None);
}
