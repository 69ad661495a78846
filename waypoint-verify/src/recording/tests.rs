use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::bus::Message;
use crate::bus::batch::tests::one_of_each;
use crate::evidence::Evidence;
use crate::judge::{Explain, PolicyVerdict};
use crate::model::{
    CompiledPolicy, ConnKey, ContainerRef, ExemptFrom, Exemption, Guards, HeaderGuard, Listener, MessageKey,
    NamespacedName, PodRef, ProxyKind, ProxySpec, Touch, WatchList,
};

fn begin() -> Begin {
    Begin {
        program: "0.0.1".into(),
        command: Command::Gate,
        began: 1,
        min_verified: 2,
        limits: (3, 4),
        uncovered_nodes: vec!["node-2".into()],
        redacted: false,
        sources: vec![Source { role: Role::Policy, name: "p.yaml".into(), sha256: Digest([5; 32]) }],
        watch: for_the_judge(&watch()),
    }
}

/// Something of everything.
fn watch() -> WatchList {
    let name = |name: &str| NamespacedName { namespace: "hello".into(), name: name.into() };
    let pod = PodRef { namespace: "hello".into(), name: "backend".into(), uid: "u-1".into() };
    let container = ContainerRef { node: "node-1".into(), pod, name: "caddy".into(), id: "c1".into() };
    let exempt = |from, ports: &[u16]| Exemption { from, ports: ports.iter().copied().collect(), reason: "r".into() };
    let policy = CompiledPolicy {
        name: name("p"),
        targets: BTreeSet::from(["u-1".into()]),
        waypoint: BTreeSet::from(["c1".into()]),
        via: vec![name("upstream")],
        entry: Some(BTreeSet::from([name("gateway")])),
        exempt: vec![
            exempt(ExemptFrom::Kubelet, &[]),
            exempt(ExemptFrom::Pods(BTreeSet::from(["u-2".into()])), &[9090]),
        ],
        window: Duration::from_secs(600),
    };
    let touches = BTreeMap::from([("x-key".into(), BTreeSet::from([Touch::Set("secret".into())]))]);
    let headers = HeaderGuard { touches, any: false };
    let guards = Guards { headers, makes_up: true, ..Guards::default() };
    WatchList {
        revision: 6,
        containers: BTreeMap::from([("c1".into(), Arc::new(container))]),
        pods: BTreeMap::from([("u-1".into(), (name("backend"), "node-1".into()))]),
        proxies: BTreeMap::from([("c1".into(), Arc::new(ProxySpec { kind: ProxyKind::Waypoint, guards }))]),
        protected: BTreeSet::from(["u-1".into()]),
        listeners: BTreeMap::from([("10.0.0.1:80".parse().unwrap(), Listener { gateway: name("gateway"), port: 80 })]),
        cluster_addresses: vec![("fd00::".parse().unwrap(), 64)],
        policies: vec![Arc::new(policy)],
        findings: vec!["f".into()],
    }
}

fn end() -> End {
    End { ended: 7, said: vec![("hello/p".into(), PolicyVerdict::True)], ..End::default() }
}

fn written(evidence: &[Evidence]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &begin()).unwrap();
    evidence.iter().for_each(|evidence| writer.evidence(evidence).unwrap());
    let (octets, digest) = writer.end(&end()).unwrap();
    assert_eq!(sha256(&octets[..]).unwrap(), digest);
    octets
}

fn read(octets: &[u8]) -> Result<(Begin, Vec<Evidence>, End), Broken> {
    let mut evidence = Vec::new();
    let (mut reader, begin) = Reader::open(octets)?;
    let end = reader.evidence(|piece| {
        evidence.push(piece);
        Ok(())
    })?;
    assert_eq!(reader.digest(), Some(sha256(octets).unwrap()));
    Ok((begin, evidence, end))
}

fn refused(octets: &[u8]) -> String {
    read(octets).expect_err("it is refused").to_string()
}

/// A trailer that fits, as somebody has who changes a recording on purpose.
fn with_trailer(octets: &[u8], pieces: u64) -> Vec<u8> {
    let digest = sha256(octets).unwrap();
    [octets, b"T", &40_u32.to_le_bytes(), &pieces.to_le_bytes(), &digest.0].concat()
}

fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &u32::try_from(content.len()).unwrap().to_le_bytes(), content].concat()
}

/// Up to its first frame of evidence.
fn opened() -> Vec<u8> {
    let octets = Writer::begin(Vec::new(), &begin()).unwrap().end(&end()).unwrap().0;
    let length = u32::from_le_bytes(octets[11..15].try_into().unwrap()) as usize;
    octets[..15 + length].to_vec()
}

#[test]
fn what_was_written_is_read_in_order() {
    let evidence = one_of_each().evidence;
    assert_eq!(read(&written(&evidence)).unwrap(), (begin(), evidence.clone(), end()));
    assert_eq!(read(&written(&[])).unwrap().1, []);
    // More than one frame.
    let many: Vec<_> = evidence.iter().cycle().take(20_000).cloned().collect();
    let octets = written(&many);
    assert!(octets.len() < 100_000, "{} octets: it is compressed", octets.len());
    assert_eq!(read(&octets).unwrap().1, many);
}

/// If this fails, the form of a recording changed: raise `SCHEMA`, and then write down the new numbers.
#[test]
fn another_form_needs_another_schema_version() {
    let parts = (begin(), one_of_each().evidence, end());
    let plain = postcard::to_stdvec(&parts).unwrap();
    let digest = sha256(&plain[..]).unwrap().to_string();
    assert_eq!((SCHEMA, plain.len(), &digest[..16]), (1, 1011, "707b0d3675559328"));
}

#[test]
fn a_recording_that_is_cut_off_anywhere_is_refused() {
    let octets = written(&one_of_each().evidence);
    for length in 0..octets.len() {
        let said = refused(&octets[..length]);
        let foreign = length < 8;
        assert!(said.contains(if foreign { "no recording" } else { "cut off" }), "{length}: {said}");
    }
}

#[test]
fn a_recording_in_which_any_octet_was_changed_is_refused() {
    let octets = written(&one_of_each().evidence);
    for at in 0..octets.len() {
        for flip in [1, 0x80] {
            let mut changed = octets.clone();
            changed[at] ^= flip;
            read(&changed).expect_err(&format!("octet {at} of {} was changed", octets.len()));
        }
    }
}

#[test]
fn what_is_no_recording_of_this_version_alone_is_refused_with_the_reason() {
    let good = written(&one_of_each().evidence);
    let version = |version: u16| [&good[..8], &version.to_le_bytes(), &good[10..]].concat();
    let bomb = |kind, size: usize| {
        let packed = zstd::bulk::compress(&vec![0; size], 1).unwrap();
        [opened(), frame(kind, &[&SCHEMA.to_le_bytes()[..], &packed].concat())].concat()
    };
    let other_begin = |change: fn(&mut Begin)| {
        let mut begin = begin();
        change(&mut begin);
        [&good[..10], &frame(b'B', &begin.encode().unwrap())].concat()
    };
    let chunk = |pieces: u32, octets: &[u8]| {
        let chunk = super::parts::Chunk { pieces, octets: octets.to_vec() };
        [opened(), frame(b'E', &chunk.encode().unwrap())].concat()
    };
    let ended = [opened(), frame(b'Z', &end().encode().unwrap())].concat();
    let rows: [(&str, Vec<u8>, &str); 17] = [
        ("nothing", vec![], "no recording"),
        ("a policy", b"apiVersion: waypoint-verify.dev/v1alpha1".to_vec(), "no recording"),
        ("sent as text", [&good[..6], &good[7..]].concat(), "no recording"),
        ("a newer version", version(2), "newer than this program's 1"),
        ("an older version", version(0), "older than this program's 1"),
        ("two joined", [&good[..], &good].concat(), "another recording follows"),
        ("an octet more", [&good[..], b"\n"].concat(), "something follows its end"),
        ("a frame that claims gigabytes", [&opened()[..], b"E", &[0xff; 4]].concat(), "claims 4294967295 octets"),
        ("a frame of zeroes", bomb(b'E', 64 << 20), "cannot be unpacked"),
        ("a summary of zeroes", bomb(b'Z', 64 << 20), "cannot be unpacked"),
        ("no watch list", [&good[..10], &frame(b'E', b"")].concat(), "does not begin with a watch list"),
        ("an unknown frame", [opened(), frame(b'X', b"")].concat(), "no known kind"),
        ("a judge without bounds", other_begin(|begin| begin.limits.0 = LIMIT + 1), "remembers 4194305 messages"),
        ("more evidence than there is", chunk(1, &[]), "a piece of evidence is none"),
        ("less evidence than there is", chunk(0, &[15, 0]), "holds more than its evidence"),
        ("another count", with_trailer(&ended, 1), "counts 1 pieces of evidence, but 0 were read"),
        ("no trailer", [ended.clone(), frame(b'T', &[0; 39])].concat(), "trailer is none"),
    ];
    for (name, octets, expected) in rows {
        let said = refused(&octets);
        assert!(said.contains(expected), "{name}: {said}");
    }
    assert!(read(&with_trailer(&ended, 0)).is_ok(), "the rows are wrong in nothing else");
}

/// Takes so many octets, and then is full.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_is_said_whenever_it_gets_full() {
    let evidence = one_of_each().evidence;
    let write = |size| {
        let mut writer = Writer::begin(Disk(size), &begin())?;
        evidence.iter().try_for_each(|evidence| writer.evidence(evidence))?;
        writer.end(&end()).map(|_| ())
    };
    let needed = written(&evidence).len();
    for size in 0..needed {
        let error = write(size).expect_err("it does not fit");
        assert!(
            matches!(&error, Unwritten::Io(error) if error.kind() == io::ErrorKind::StorageFull),
            "{size}: {error}"
        );
    }
    write(needed).unwrap();
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let mut writer = Writer::begin(Vec::new(), &begin()).unwrap();
    let conn = ConnKey { client_isn: u32::MAX, server_isn: u32::MAX };
    let key = MessageKey { conn, offset: u64::MAX, stream: u32::MAX };
    let Some(Evidence::Overdrawn { instance, class, shared, .. }) =
        one_of_each().evidence.into_iter().find(|evidence| matches!(evidence, Evidence::Overdrawn { .. }))
    else {
        panic!("there is one of each")
    };
    let huge = Evidence::Overdrawn { instance, class, shared, unpaid: vec![key; 200_000] };
    let said = writer.evidence(&huge).unwrap_err().to_string();
    assert!(said.contains("one piece of evidence takes"), "{said}");
    let unbounded = Begin { limits: (LIMIT + 1, 1), ..begin() };
    assert!(matches!(Writer::begin(Vec::new(), &unbounded), Err(Unwritten::Limits { .. })));
}

#[test]
fn header_values_are_recorded_as_keyed_hashes_only() {
    let mut evidence = one_of_each().evidence;
    for piece in &mut evidence {
        if let Evidence::Arrived { request, .. } = piece {
            let request = Arc::make_mut(request);
            request.path = "/orders?token=secret-1".into();
            request.authority = "secret-2.example".into();
            request.trace_id = Some("secret-3".into());
        }
    }
    let shown = |key: u8, whole: bool| {
        let redactor = Redactor::new([key; 16], whole);
        let redacted: Vec<_> = evidence.iter().map(|evidence| redactor.evidence(evidence)).collect();
        format!("{redacted:?}")
    };
    let usual = shown(1, false);
    assert!(!usual.contains("secret-1") && !usual.contains("secret-3"), "{usual}");
    assert!(usual.contains("/orders?#") && usual.contains("secret-2.example"), "{usual}");
    assert_eq!(usual, shown(1, false), "equal values stay equal");
    assert_ne!(usual, shown(2, false), "nobody can try values out without the key");
    let watch = for_the_judge(&watch());
    assert!(!format!("{watch:?}").contains("secret"), "what a route sets is no evidence: {watch:?}");
    assert!(watch.proxies["c1"].guards.makes_up, "the judge asks for it");
    let whole = shown(1, true);
    for hidden in ["secret", "/orders", "TLS"] {
        assert!(!whole.contains(hidden), "{hidden}: {whole}");
    }
}

#[test]
fn a_policy_that_was_said_otherwise_is_told() {
    let replayed = replay(&written(&one_of_each().evidence)[..], Explain::Everything, |judged| {
        judged.clear();
        Ok(())
    });
    let replayed = replayed.unwrap();
    assert_eq!(replayed.begin, begin());
    let differences: Vec<_> =
        replayed.differences().map(|(policy, then, now)| (policy.to_string(), then, now)).collect();
    assert_eq!(differences, [("hello/p".to_owned(), Some(PolicyVerdict::True), PolicyVerdict::Unknown)]);
    assert_eq!(replayed.summary.verdict(), PolicyVerdict::Unknown);
}

#[test]
fn digests_are_read_as_they_are_written() {
    let digest = sha256(&b"abc"[..]).unwrap();
    // FIPS 180-2, B.1.
    assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
    let wrong = [digest.to_string().to_uppercase(), digest.to_string()[1..].into(), "é".repeat(32), String::new()];
    for wrong in wrong {
        assert_eq!(Digest::from_hex(&wrong), None, "{wrong}");
    }
}
