use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use serde_json::{Value, json};

use super::check::{Attested, Mismatch, read};
use super::dsse::{Envelope, PAYLOAD_TYPE, Refused, Signature, open, pae, seal};
use super::keys::{KeyError, PublicKey, SigningKey};
use super::statement::{Outcome, Statement, Subject, Tested};
use crate::judge::{Judge, Limits, PolicyVerdict};
use crate::model::NamespacedName;
use crate::model::WatchList;
use crate::recording::{Digest, Observed, Role, Source};
use crate::report::{PolicySummary, Summary};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn ed25519() -> SigningKey {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    SigningKey::from_pem(pem("PRIVATE KEY", der.as_ref()).as_bytes()).unwrap()
}

fn p256() -> SigningKey {
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
    SigningKey::from_pem(pem("PRIVATE KEY", der.as_ref()).as_bytes()).unwrap()
}

fn octets(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec(envelope).unwrap()
}

fn source(role: Role, name: &str, octet: u8) -> Source {
    Source { role, name: name.into(), sha256: Digest([octet; 32]) }
}

fn files() -> Vec<Source> {
    vec![
        source(Role::Policy, "policy.yaml", 1),
        source(Role::Inventory, "cluster.yaml", 2),
        source(Role::Evidence, "run.rec", 3),
    ]
}

fn summary(policies: &[(&str, PolicyVerdict)], uncovered: bool) -> Summary {
    let judge = Judge::new(WatchList::default().into(), Limits::default());
    let uncovered_nodes = if uncovered { vec!["node-2".into()] } else { vec![] };
    let mut summary = Summary::replayed(&judge, Observed { uncovered_nodes, ..Observed::default() });
    let of = |(policy, verdict): &(&str, PolicyVerdict)| PolicySummary {
        policy: {
            let (namespace, name) = policy.split_once('/').unwrap_or(("n", policy));
            NamespacedName { namespace: namespace.into(), name: name.into() }
        },
        verdict: *verdict,
        tally: Default::default(),
    };
    summary.policies = policies.iter().map(of).collect();
    summary
}

fn statement(policies: &[(&str, PolicyVerdict)], uncovered: bool) -> Statement {
    let subjects: Vec<_> = files().into_iter().map(Subject::from).collect();
    Statement::of(&Tested::from(&summary(policies, uncovered)), &subjects, (1, 2), &json!({"minVerified": 3}))
}

fn passed() -> Value {
    json!(statement(&[("hello/p", PolicyVerdict::True)], false))
}

fn read_value(value: &Value) -> Result<Attested, Mismatch> {
    read(&serde_json::to_vec(value).unwrap())
}

#[test]
fn what_was_sealed_is_opened_with_the_public_key_and_no_other() {
    for key in [ed25519(), p256()] {
        let envelope = seal(b"{}", &key).unwrap();
        let opened = open(&octets(&envelope), &key.public()).unwrap();
        assert_eq!((&opened.payload[..], opened.others), (&b"{}"[..], 0));
        for other in [ed25519(), p256()] {
            assert_eq!(open(&octets(&envelope), &other.public()), Err(Refused::Signature(1)));
        }
    }
}

type Change<'a> = &'a dyn Fn(&mut Envelope);

/// Of a policy of a cluster, which is no file.
#[test]
fn what_a_subject_holds_is_what_its_digest_says() {
    let content = json!({"metadata": {"name": "p"}}).to_string().into_bytes();
    let source = Source { role: Role::Policy, name: "hello/p".into(), sha256: Digest::of(&content) };
    let subject = Subject { source, content: Some(content) };
    let tested = Tested::from(&summary(&[("hello/p", PolicyVerdict::True)], false));
    let mut statement = json!(Statement::of(&tested, &[subject], (1, 2), &json!({})));
    assert_eq!(read_value(&statement).unwrap().policy().unwrap()["metadata"]["name"], "p");
    assert_eq!(read_value(&passed()).unwrap().policy(), None, "files are not held");
    for other in [STANDARD.encode("{}"), "not base64!".to_owned()] {
        statement["subject"][0]["content"] = json!(other);
        assert_eq!(read_value(&statement), Err(Mismatch::Held("hello/p".into())));
    }
}

#[test]
fn an_envelope_that_was_changed_is_refused() {
    let key = ed25519();
    let good = seal(b"{\"a\":1}", &key).unwrap();
    let changed = |change: Change<'_>| {
        let mut envelope = good.clone();
        change(&mut envelope);
        open(&octets(&envelope), &key.public())
    };
    assert!(changed(&|_| {}).is_ok());
    let rows: [(&str, Change<'_>, Refused); 8] = [
        ("payload", &|envelope| envelope.payload = STANDARD.encode(b"{\"a\":2}"), Refused::Signature(1)),
        ("type", &|envelope| envelope.payload_type = "text/plain".into(), Refused::Signature(1)),
        ("no signature", &|envelope| envelope.signatures.clear(), Refused::Count(0)),
        ("too many", &|envelope| envelope.signatures = vec![envelope.signatures[0].clone(); 65], Refused::Count(65)),
        ("bits at the end", &|envelope| envelope.payload = "eyJhIjoxfR==".into(), Refused::Base64("payload")),
        ("no padding", &|envelope| envelope.payload = "eyJhIjoxfQ".into(), Refused::Base64("payload")),
        ("a line end", &|envelope| envelope.payload.push('\n'), Refused::Base64("payload")),
        ("no base64", &|envelope| envelope.signatures[0].sig = "!".into(), Refused::Base64("signature")),
    ];
    for (name, change, expected) in rows {
        assert_eq!(changed(change), Err(expected), "{name}");
    }
    let twice = String::from_utf8(octets(&good)).unwrap().replacen('{', "{\"payload\":\"\",", 1);
    assert!(matches!(open(twice.as_bytes(), &key.public()), Err(Refused::Form(_))), "{twice}");
    assert!(matches!(open(b"[]", &key.public()), Err(Refused::Form(_))));
}

#[test]
fn another_type_of_payload_is_refused_although_it_was_signed() {
    let key = ed25519();
    let sig = STANDARD.encode(key.sign(&pae("text/plain", b"{}")).unwrap());
    let payload_type = "text/plain".to_owned();
    let signatures = vec![Signature { keyid: None, sig }];
    let envelope = Envelope { payload_type, payload: STANDARD.encode(b"{}"), signatures };
    assert_eq!(open(&octets(&envelope), &key.public()), Err(Refused::Type("text/plain".into())));
}

#[test]
fn one_of_two_signatures_is_enough_and_the_other_is_told_of() {
    let (ours, theirs) = (ed25519(), p256());
    let mut envelope = seal(b"{}", &theirs).unwrap();
    envelope.signatures.extend(seal(b"{}", &ours).unwrap().signatures);
    for key in [&ours, &theirs] {
        assert_eq!(open(&octets(&envelope), &key.public()).unwrap().others, 1);
    }
    assert_eq!(open(&octets(&envelope), &ed25519().public()), Err(Refused::Signature(2)));
    // A name decides nothing.
    envelope.signatures[0].keyid = Some(ours.public().id().to_string());
    assert_eq!(open(&octets(&envelope), &ours.public()).unwrap().others, 1);
}

#[test]
fn the_other_alphabet_of_base64_is_read_too() {
    let key = ed25519();
    let mut envelope = seal("{\"ÿ\":\"ûÿ>>>???\"}".as_bytes(), &key).unwrap();
    let payload = STANDARD.decode(&envelope.payload).unwrap();
    assert!(envelope.payload.contains(['+', '/']));
    envelope.payload = URL_SAFE.encode(&payload);
    assert_eq!(open(&octets(&envelope), &key.public()).unwrap().payload, payload);
}

#[test]
fn what_is_signed_is_as_the_specification_shows_it() {
    // protocol.md, "Test Vectors".
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
}

#[test]
fn keys_of_other_kinds_and_forms_are_refused_with_what_to_do() {
    let other = pem("PRIVATE KEY", b"\x30\x03\x02\x01\x00");
    for (text, expected) in [
        ("", KeyError::NoPrivate),
        ("-----BEGIN PRIVATE KEY-----\nAAAA", KeyError::NoPrivate),
        (&*pem("ENCRYPTED PRIVATE KEY", b"x"), KeyError::NoPrivate),
        (&pem("EC PRIVATE KEY", b"x"), KeyError::NoPrivate),
        (&other, KeyError::Kind),
    ] {
        assert_eq!(SigningKey::from_pem(text.as_bytes()).unwrap_err(), expected, "{text}");
    }
    assert_eq!(PublicKey::from_pem(other.as_bytes()), Err(KeyError::NoPublic), "a private key is none to verify with");
    assert_eq!(PublicKey::from_pem(pem("PUBLIC KEY", b"x").as_bytes()), Err(KeyError::Kind));
}

type Found<'a> = &'a [(&'a str, PolicyVerdict)];

#[test]
fn the_result_is_never_better_than_what_was_found() {
    use PolicyVerdict::{False, True, Unknown};
    let rows: [(Found<'_>, bool, Outcome, [usize; 3]); 8] = [
        (&[("a", True)], false, Outcome::Passed, [1, 0, 0]),
        (&[("a", True), ("b", True)], false, Outcome::Passed, [2, 0, 0]),
        (&[("a", Unknown)], false, Outcome::Warned, [0, 1, 0]),
        (&[("a", True), ("b", Unknown)], false, Outcome::Warned, [1, 1, 0]),
        (&[("a", True)], true, Outcome::Warned, [0, 1, 0]),
        (&[], false, Outcome::Warned, [0, 0, 0]),
        (&[("a", True), ("b", Unknown), ("c", False)], false, Outcome::Failed, [1, 1, 1]),
        (&[("a", False)], true, Outcome::Failed, [0, 0, 1]),
    ];
    for (policies, uncovered, result, counts) in rows {
        let found = statement(policies, uncovered).predicate;
        let tests = [&found.passed_tests, &found.warned_tests, &found.failed_tests].map(Vec::len);
        assert_eq!((found.result, tests), (result, counts), "{policies:?}");
        assert!(found.is_consistent(), "{policies:?}");
    }
}

#[test]
fn a_statement_is_read_as_it_was_written() {
    let written = statement(&[("hello/p", PolicyVerdict::True)], false);
    let attested = read_value(&json!(written)).unwrap();
    assert_eq!((attested.statement, attested.sources), (written, files()));
    // What a consumer does not know is no reason not to read it (in-toto's parsing rules).
    let mut more = passed();
    more["later"] = json!(1);
    more["predicate"]["url"] = json!("https://ci.example/1");
    read_value(&more).unwrap();
}

#[test]
fn a_statement_of_another_type_or_about_nothing_is_refused() {
    let rows: [(&str, Value, &str); 9] = [
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "its _type"),
        ("/predicateType", json!("https://slsa.dev/provenance/v1"), "its predicateType"),
        ("/subject", json!([]), "names no policy"),
        ("/subject/0/annotations/role", json!("evidence"), "names no policy"),
        ("/subject/0/annotations/role", json!("other"), "the subject \"policy.yaml\""),
        ("/subject/0/digest", json!({"sha512": "00"}), "the subject \"policy.yaml\""),
        ("/subject/0/digest/sha256", json!("0101"), "the subject \"policy.yaml\""),
        ("/predicate/failedTests", json!(["hello/q"]), "its tests say something else"),
        ("/predicate/result", json!("SKIPPED"), "no statement"),
    ];
    for (place, value, expected) in rows {
        let mut changed = passed();
        *changed.pointer_mut(place).unwrap() = value;
        let said = read_value(&changed).unwrap_err().to_string();
        assert!(said.contains(expected), "{place}: {said}");
    }
    for wrong in ["", "[]", "1", "{\"_type\":1}"] {
        read(wrong.as_bytes()).unwrap_err();
    }
}

#[test]
fn files_have_to_be_those_that_were_attested_each_in_its_role() {
    let attested = read_value(&passed()).unwrap();
    assert_eq!(attested.compare(&files()), Ok(()));
    assert_eq!(attested.compare(&[source(Role::Evidence, "renamed.rec", 3)]), Ok(()), "names are hints");
    assert_eq!(attested.not_among(&files()[..1]).collect::<Vec<_>>(), files()[1..].iter().collect::<Vec<_>>());
    let (role, name) = (Role::Policy, "policy.yaml".to_owned());
    assert_eq!(
        attested.compare(&[source(Role::Policy, "policy.yaml", 9)]),
        Err(Mismatch::Content { role, name: name.clone() })
    );
    assert_eq!(
        attested.compare(&[source(Role::Policy, "policy.yaml", 3)]),
        Err(Mismatch::OtherRole { role, name, attested: Role::Evidence }),
        "digests were swapped"
    );
    assert_eq!(
        attested.compare(&[source(Role::Policy, "new.yaml", 9)]),
        Err(Mismatch::NotAttested { role, name: "new.yaml".into() })
    );
    let evidence = attested.compare(&[source(Role::Evidence, "other.rec", 9)]);
    assert_eq!(evidence, Err(Mismatch::Content { role: Role::Evidence, name: "other.rec".into() }));
}

#[test]
fn the_type_of_the_payload_is_that_of_in_toto() {
    assert_eq!(PAYLOAD_TYPE, "application/vnd.in-toto+json");
    assert_eq!(seal(b"{}", &ed25519()).unwrap().payload_type, PAYLOAD_TYPE);
}
