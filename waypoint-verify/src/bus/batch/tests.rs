use std::sync::Arc;

use smallvec::smallvec;

use super::*;
use crate::bus::Unreadable;
use crate::evidence::{End, Protocol, RequestLine};
use crate::link::Link;
use crate::link::guard::Constraints;
use crate::model::{ConnKey, ContainerRef, MessageKey, OlderGroup, Owner, PodRef, Process, Reason, Side};

/// One of each kind of evidence, and of everything that they hold.
pub fn one_of_each() -> Batch {
    let conn = ConnKey { client_isn: 0x0102_0304, server_isn: 0x0506_0708 };
    let key = MessageKey { conn, offset: 300, stream: 5 };
    let pod = PodRef { namespace: "hello".into(), name: "backend-0".into(), uid: "u-1".into() };
    let container = Arc::new(ContainerRef { node: "node-1".into(), pod, name: "caddy".into(), id: "c1".into() });
    let older = Arc::clone(&container);
    let (local, peer) = ("10.0.0.1:8084".parse().unwrap(), "[fd00::2]:4000".parse().unwrap());
    let end = |owner, process| Arc::new(End { owner, process, local, remote: peer, at: 7 });
    let link = Link {
        candidates: smallvec![key],
        more: true,
        wild: Some(Reason::PredatesAgent),
        mirror: false,
        foreign_process: true,
        counted: true,
        used: Constraints { method: true, ..Constraints::default() },
    };
    let request = RequestLine {
        protocol: Protocol::Grpc,
        method: "POST".into(),
        path: "/a".into(),
        authority: "b".into(),
        trace_id: Some("c".into()),
    };
    let host = Owner::Host { node: "node-1".into(), cgroup: "/kubelet.service".into() };
    let unknown = Owner::Unknown { cgroup_id: 9, path: Some("/x".into()) };
    let process = Process { pid: 1, comm: "envoy".into() };
    let evidence = vec![
        Evidence::Opened {
            conn,
            side: Side::Active,
            end: end(Owner::Container(Arc::clone(&container)), Some(process)),
        },
        Evidence::Opened { conn, side: Side::Passive, end: end(host, None) },
        Evidence::Open { conn, side: Side::Active, end: end(Owner::Unknown { cgroup_id: 1, path: None }, None) },
        Evidence::Closed { conn, side: Side::Passive },
        Evidence::Entered { key, instance: Arc::clone(&container), local, peer, digest: 1 << 60, at: 8 },
        Evidence::Departed {
            key,
            instance: Arc::clone(&container),
            digest: 2,
            link: link.clone(),
            unknown_creator: Some(Reason::Lost),
            at: 9,
        },
        Evidence::Ended { key, side: Side::Active, end: 400 },
        Evidence::Narrowed { key, link },
        Evidence::Settled { keys: smallvec![key] },
        Evidence::Overdrawn {
            instance: Arc::clone(&container),
            class: 3,
            unpaid: vec![key],
            shared: vec![vec![key], vec![]],
        },
        Evidence::Arrived {
            key,
            at_pod: Arc::clone(&container),
            local,
            peer,
            request: Arc::new(request),
            digest: 4,
            at: 10,
        },
        Evidence::Received { key, whole: true, at: 11 },
        Evidence::Abandoned { key, reason: None },
        Evidence::Unreadable {
            stream: 5,
            conn: None,
            at_pod: container,
            local,
            peer,
            reason: Reason::Opaque,
            detail: "TLS".into(),
            at: 12,
        },
        Evidence::Lost { of: Some(unknown), records: 1, bytes: 2, openings: true, at: 13 },
        Evidence::Tick { at: 14 },
    ];
    let group = OlderGroup { container: older, peer: "fd00::2".parse().unwrap(), connections: 21 };
    let answer = Answer {
        tick: 15,
        verifier: 19,
        revision: 16,
        blind: vec!["why".into()],
        notes: vec!["n".into()],
        older: OlderConnections { seconds: 20, groups: vec![group], more: 22 },
    };
    Batch { node: "node-1".into(), epoch: 17, sequence: 18, evidence, answer: Some(answer) }
}

#[test]
fn a_batch_comes_back_as_it_was() {
    let batch = one_of_each();
    assert_eq!(Batch::decode(&batch.encode().unwrap()).unwrap(), batch);
}

/// If this fails, the form of evidence changed: raise `Batch::VERSION`, and then write down the new numbers.
#[test]
fn another_form_needs_another_version() {
    let plain = postcard::to_stdvec(&one_of_each()).unwrap();
    let digest = plain
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!((Batch::VERSION, plain.len(), digest), (1, 765, 10_347_796_957_326_666_106));
}

#[test]
fn what_is_no_batch_is_refused_with_what_to_do() {
    let good = one_of_each().encode().unwrap();
    assert_eq!(Batch::decode(&[1]), Err(Unreadable::Short { got: 1 }));
    let newer = [&2_u16.to_le_bytes()[..], &good[2..]].concat();
    let refused = Batch::decode(&newer).unwrap_err();
    assert_eq!(refused, Unreadable::Newer { got: 2, known: 1 });
    assert!(refused.to_string().contains("upgrade this program"), "{refused}");
    assert_eq!(Batch::decode(&[0, 0]), Err(Unreadable::Older { got: 0, known: 1 }));
    assert!(matches!(Batch::decode(&good[..good.len() - 1]), Err(Unreadable::Packing(_))));
    // Gigabytes of zeroes in a few octets.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    assert!(bomb.len() < 10_000);
    let bomb = [&Batch::VERSION.to_le_bytes()[..], &bomb].concat();
    assert!(matches!(Batch::decode(&bomb), Err(Unreadable::Packing(_))));
    let longer = postcard::to_stdvec(&(one_of_each(), 1_u8)).unwrap();
    let longer = [&Batch::VERSION.to_le_bytes()[..], &zstd::bulk::compress(&longer, 1).unwrap()].concat();
    assert!(matches!(Batch::decode(&longer), Err(Unreadable::Form(_))));
}
