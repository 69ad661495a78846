//! `replay` and `attest verify` as programs: what they say, and their exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use waypoint_verify::attest::dsse::{Envelope, pae, seal};
use waypoint_verify::attest::keys::SigningKey;
use waypoint_verify::attest::statement::{Statement, Subject, Tested};
use waypoint_verify::judge::Explain;
use waypoint_verify::recording::{Redactor, Role, Source, replay, sha256};

use crate::traffic::{Dice, KINDS, Kind, play};
use crate::world::World;

/// A folder of its own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("wv-evidence-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, octets).unwrap();
        path
    }

    fn openssl(&self, words: &str) {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn waypoint_verify(words: &[&str], folder: &Folder) -> Output {
    let program = env!("CARGO_BIN_EXE_waypoint-verify");
    Command::new(program).args(words).current_dir(&folder.0).output().expect("the binary runs")
}

/// Exit code, standard output and standard error.
fn said(words: &[&str], folder: &Folder) -> (i32, String, String) {
    let output = waypoint_verify(words, folder);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let told = text(&output.stderr);
    assert!(!told.contains("panicked"), "{words:?}: {told}");
    (output.status.code().unwrap(), text(&output.stdout), told)
}

fn of(kinds: &[Kind]) -> World {
    let mut world = World::default();
    play(&mut world, kinds, &mut Dice(vec![1; 64], 0));
    world
}

fn kind(bypassed: bool) -> Kind {
    *KINDS.iter().find(|kind| kind.is_distinct() && kind.bypass().is_some() == bypassed).unwrap()
}

fn recording(kinds: &[Kind], minimum: u64, uncovered: &[&str]) -> Vec<u8> {
    let uncovered = uncovered.iter().map(|node| (*node).to_owned()).collect();
    of(kinds).recording(&Redactor::new([7; 16], false), minimum, uncovered)
}

#[test]
fn a_replay_ends_as_its_gate_did() {
    let folder = Folder::new("codes");
    let (good, bad) = (kind(false), kind(true));
    let rows: [(&str, Vec<u8>, i32); 5] = [
        ("verified", recording(&[good, good], 1, &[]), 0),
        ("bypassed", recording(&[good, bad], 1, &[]), 1),
        ("too few", recording(&[good], 5, &[]), 3),
        ("not covered", recording(&[good], 1, &["node-2"]), 3),
        ("nothing", recording(&[], 1, &[]), 3),
    ];
    for (name, octets, expected) in rows {
        folder.write("run.rec", &octets);
        for words in [&["replay", "run.rec"][..], &["replay", "--quiet", "-o", "json", "run.rec"]] {
            let (code, out, told) = said(words, &folder);
            assert_eq!((code, &*told), (expected, ""), "{name}: {out}");
        }
    }
}

#[test]
fn a_replay_prints_verdicts_as_a_gate_does() {
    let folder = Folder::new("prints");
    folder.write("run.rec", &recording(&[kind(false), kind(true)], 1, &[]));
    let (_, text, _) = said(&["replay", "run.rec"], &folder);
    assert!(text.contains("Verified hello/policy GET") && text.contains("sent by pod hello/"), "{text}");
    assert!(text.contains("hello/policy: False\n  requests 2, verified 1\n"), "{text}");
    let (_, json, _) = said(&["replay", "-o", "json", "run.rec"], &folder);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert!(types.iter().filter(|name| **name == "verdict").count() >= 2, "{types:?}");
    assert_eq!(types.last(), Some(&"summary"));
    assert_eq!(lines.last().unwrap()["policies"][0]["verified"], 1);
    let (_, quiet, _) = said(&["replay", "--quiet", "-o", "json", "run.rec"], &folder);
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
}

#[test]
fn of_what_is_no_whole_recording_nothing_is_judged() {
    let folder = Folder::new("broken");
    let good = recording(&[kind(false)], 1, &[]);
    let rows: [(&str, Vec<u8>, &str); 5] = [
        ("cut off", good[..good.len() - 1].to_vec(), "cut off after"),
        ("joined", [&good[..], &good].concat(), "another recording follows"),
        ("text", b"apiVersion: v1\n".to_vec(), "no recording"),
        ("newer", [&good[..8], &[9, 0], &good[10..]].concat(), "newer"),
        ("changed", [&good[..good.len() - 1], &[good[good.len() - 1] ^ 1]].concat(), "digest"),
    ];
    for (name, octets, expected) in rows {
        folder.write("run.rec", &octets);
        let (code, out, told) = said(&["replay", "run.rec"], &folder);
        assert_eq!((code, &*out), (2, ""), "{name}: {told}");
        assert!(told.contains("run.rec") && told.contains(expected), "{name}: {told}");
    }
    assert_eq!(said(&["replay", "nowhere.rec"], &folder).0, 2);
    assert!(said(&["replay", "/dev/null"], &folder).2.contains("is no file"));
}

/// Makes a recording, and an attestation of it by openssl's keys.
fn attest(folder: &Folder, octets: &[u8]) -> Statement {
    let evidence = folder.write("run.rec", octets);
    let replayed = replay(octets, Explain::Nothing, |judged| {
        judged.clear();
        Ok(())
    });
    let replayed = replayed.unwrap();
    let mut sources = replayed.begin.sources.clone();
    let digest = sha256(fs::File::open(&evidence).unwrap()).unwrap();
    sources.push(Source { role: Role::Evidence, name: "run.rec".into(), sha256: digest });
    let subjects: Vec<_> = sources.into_iter().map(Subject::from).collect();
    let tested = Tested::from(&replayed.summary);
    let statement = Statement::of(&tested, &subjects, (1_700_000_000, 1_700_000_060), &serde_json::json!({}));
    sign(folder, &statement);
    statement
}

fn sign(folder: &Folder, statement: &Statement) -> Envelope {
    let key = SigningKey::from_pem(&fs::read(folder.0.join("key.pem")).unwrap()).unwrap();
    let envelope = seal(&serde_json::to_vec(statement).unwrap(), &key).unwrap();
    folder.write("gate.att", &serde_json::to_vec(&envelope).unwrap());
    envelope
}

/// As docs/evidence.md makes them.
const ED25519: [&str; 2] = ["genpkey -algorithm ed25519 -out key.pem", "pkey -in key.pem -pubout -out pub.pem"];
const P256: [&str; 2] =
    ["genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem", "pkey -in key.pem -pubout -out pub.pem"];

const VERIFY: [&str; 5] = ["attest", "verify", "--key", "pub.pem", "gate.att"];

#[test]
fn an_attestation_by_keys_of_openssl_is_verified_and_ends_as_its_result() {
    let (good, bad) = (kind(false), kind(true));
    for (keys, name) in [(ED25519, "ed25519"), (P256, "p256")] {
        let folder = Folder::new(name);
        keys.iter().for_each(|words| folder.openssl(words));
        let rows = [
            ("PASSED", recording(&[good], 1, &[]), 0),
            ("FAILED", recording(&[bad], 1, &[]), 1),
            ("WARNED", recording(&[], 1, &[]), 3),
        ];
        for (result, octets, expected) in rows {
            attest(&folder, &octets);
            for more in [&[][..], &["--evidence", "run.rec"], &["--evidence", "run.rec", "--replay"]] {
                let (code, out, told) = said(&[&VERIFY[..], more].concat(), &folder);
                assert_eq!((code, &*told), (expected, ""), "{name} {result} {more:?}: {out}");
                assert!(out.contains(result), "{out}");
                assert_eq!(out.contains("judged again here, says the same"), more.contains(&"--replay"), "{out}");
                assert!(out.contains("policy policy.yaml (sha256 0101"), "what was not at hand is named: {out}");
            }
        }
    }
}

#[test]
fn openssl_verifies_what_was_signed() {
    for (keys, name) in [(ED25519, "openssl-ed25519"), (P256, "openssl-p256")] {
        let folder = Folder::new(name);
        keys.iter().for_each(|words| folder.openssl(words));
        let envelope = sign(&folder, &attest(&folder, &recording(&[kind(false)], 1, &[])));
        folder.write("payload.b64", envelope.payload.as_bytes());
        folder.write("sig.b64", envelope.signatures[0].sig.as_bytes());
        folder.openssl("base64 -d -A -in payload.b64 -out payload");
        folder.openssl("base64 -d -A -in sig.b64 -out sig");
        folder.write("pae", &pae(&envelope.payload_type, &fs::read(folder.0.join("payload")).unwrap()));
        let raw = "pkeyutl -verify -pubin -inkey pub.pem -rawin -in pae -sigfile sig";
        folder.openssl(raw);
        // The name of the key is that of its DER.
        folder.openssl("pkey -pubin -in pub.pem -outform DER -out pub.der");
        let id = sha256(fs::File::open(folder.0.join("pub.der")).unwrap()).unwrap().to_string();
        assert_eq!(envelope.signatures[0].keyid, Some(id));
    }
}

#[test]
fn what_does_not_hold_is_not_believed() {
    let folder = Folder::new("forged");
    ED25519.iter().for_each(|words| folder.openssl(words));
    folder.openssl("genpkey -algorithm ed25519 -out other.pem");
    folder.openssl("pkey -in other.pem -pubout -out other-pub.pem");
    let bypassed = recording(&[kind(true)], 1, &[]);
    let statement = attest(&folder, &bypassed);
    folder.write("other.rec", &recording(&[kind(false)], 1, &[]));
    folder.write("policy.yaml", b"another policy");
    let refused = |more: &[&str], expected: &str| {
        let (code, out, told) = said(&[&VERIFY[..], more].concat(), &folder);
        assert_eq!((code, &*out), (1, ""), "{told}");
        assert!(told.contains("gate.att is not to be believed") && told.contains(expected), "{expected}: {told}");
    };
    refused(&["--policy", "policy.yaml"], "policy policy.yaml: another content was attested");
    refused(&["--evidence", "other.rec"], "evidence other.rec: another content was attested");
    refused(&["--policy", "run.rec"], "run.rec was attested as evidence, not as policy");

    // Signed, but not what the evidence says.
    let mut lie = statement.clone();
    lie.predicate.result = waypoint_verify::attest::statement::Outcome::Passed;
    std::mem::swap(&mut lie.predicate.passed_tests, &mut lie.predicate.failed_tests);
    sign(&folder, &lie);
    assert_eq!(said(&VERIFY, &folder).0, 0, "without the evidence nobody can know");
    refused(&["--evidence", "run.rec", "--replay"], "judged again (version");
    let mut lie = statement.clone();
    lie.predicate.waypoint_verify.as_mut().unwrap().policies[0]["requests"] = 77.into();
    sign(&folder, &lie);
    refused(&["--evidence", "run.rec", "--replay"], "not what was counted");
    let mut lie = statement.clone();
    lie.subject[0].digest.insert("sha256".into(), "00".repeat(32));
    sign(&folder, &lie);
    refused(&["--evidence", "run.rec", "--replay"], "recorded with other policies");

    // Forged.
    let mut envelope = sign(&folder, &statement);
    envelope.payload.replace_range(..4, "eyJ9");
    folder.write("gate.att", &serde_json::to_vec(&envelope).unwrap());
    refused(&[], "none of its 1 signatures is by this key");
    folder.write("gate.att", b"{}");
    refused(&[], "no DSSE envelope");
    sign(&folder, &statement);
    let (code, _, told) = said(&["attest", "verify", "--key", "other-pub.pem", "gate.att"], &folder);
    assert!(code == 1 && told.contains("none of its 1 signatures"), "{told}");
}

#[test]
fn usage_is_told_from_forgery() {
    let folder = Folder::new("usage");
    ED25519.iter().for_each(|words| folder.openssl(words));
    attest(&folder, &recording(&[kind(false)], 1, &[]));
    for words in [
        &["attest", "verify", "--key", "key.pem", "gate.att"][..],
        &["attest", "verify", "--key", "nowhere.pem", "gate.att"],
        &["attest", "verify", "--key", "pub.pem", "nowhere.att"],
        &["attest", "verify", "--key", "pub.pem", "gate.att", "--policy", "nowhere.yaml"],
        &["attest", "verify", "--key", "pub.pem", "gate.att", "--policy", "-"],
        &["attest", "verify", "--key", "pub.pem", "gate.att", "--inventory", "."],
        &["attest", "verify", "--key", "pub.pem", "gate.att", "--replay"],
        &["attest", "verify", "gate.att"],
    ] {
        let (code, out, told) = said(words, &folder);
        assert_eq!((code, &*out), (2, ""), "{words:?}: {told}");
    }
    assert!(Path::new(&folder.0).join("gate.att").exists());
}
