//! What a receiver takes: readers that take too much, too little, or something else.

use waypoint_verify::probe::Data;
use waypoint_verify::trace::admit::{Admission, Dropped};
use waypoint_verify::wire::Segment;
use waypoint_verify_fuzz::admission::check;
use waypoint_verify_fuzz::admission::plan::{Packet, Plan, Sum};

fn packet() -> Packet {
    Packet {
        v6: false,
        seq: 100,
        ack: 1,
        flags: 0x10,
        options: vec![1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0],
        payload: b"hello".to_vec(),
        skipped: 0,
        cut: 0,
        headless: false,
        sum: Sum::Right,
        moves: true,
    }
}

fn plan(packets: impl IntoIterator<Item = Packet>) -> Plan {
    Plan { tsval: Some(5), next: Some(100), packets: packets.into_iter().collect() }
}

type Admit = for<'a> fn(&mut Admission, &Data<'a>) -> Result<Segment<'a>, Dropped>;

/// Rows: what is wrong with a reader, the packets that show it, and the reader.
#[test]
fn every_wrong_reader_is_caught_and_the_right_one_is_not() {
    let old_stamp = vec![1, 1, 8, 10, 0, 0, 0, 4, 0, 0, 0, 0];
    let rows: [(&str, Vec<Packet>, Admit); 7] = [
        ("takes a wrong checksum", vec![Packet { sum: Sum::Other(1), ..packet() }], |_, data| {
            Ok(waypoint_verify::trace::admit::segment(data))
        }),
        ("takes an old timestamp", vec![Packet { options: old_stamp.clone(), ..packet() }], |_, data| {
            Admission::default().admit(data)
        }),
        (
            "does not go on with timestamps",
            vec![packet(), Packet { seq: 105, options: vec![8, 10, 0, 0, 0, 8, 0, 0, 0, 0, 1, 1], ..packet() }],
            |_, data| Admission::new(Some(5)).admit(data),
        ),
        ("drops what is right", vec![packet()], |_, _| Err(Dropped::Old)),
        ("knows no checksum that a card makes", vec![Packet { sum: Sum::Partial, v6: true, ..packet() }], |_, _| {
            Err(Dropped::Checksum)
        }),
        ("keeps what is there already", vec![Packet { seq: 98, ..packet() }], |_, data| {
            Ok(waypoint_verify::trace::admit::segment(data))
        }),
        ("names another reason", vec![Packet { flags: 0x14, ..packet() }], |admission, data| {
            admission.admit(data).map_err(|_| Dropped::FarAhead)
        }),
    ];
    for (what, packets, wrong) in rows {
        let plan = plan(packets);
        let mut admission = Admission::new(plan.tsval);
        assert_eq!(check(&plan, |data| admission.admit(data)), Ok(()), "right where one {what}");
        let mut admission = Admission::new(plan.tsval);
        assert!(check(&plan, |data| wrong(&mut admission, data)).is_err(), "{what}");
    }
}
