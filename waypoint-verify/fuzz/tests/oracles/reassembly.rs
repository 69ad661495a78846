//! TCP reassembly: wrong streams in the place of the right one.

use std::sync::Arc;

use waypoint_verify::wire::{Event, RequestStream, Segment};
use waypoint_verify_fuzz::reassembly::plan::{Piece, Plan, Step};
use waypoint_verify_fuzz::reassembly::{Follower, follow, settings};

/// One thing that a stream may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The last octets win.
    LastWins,
    /// What comes twice is not looked at.
    IgnoresWhatCameBefore,
    IgnoresFin,
    IgnoresUrgent,
    IgnoresAcks,
    FollowsTooFar,
    HoldsTooMuch,
    DropsEverySecond,
    GrantsTooMuch,
}

struct Stream {
    right: RequestStream,
    wrong: Wrong,
    count: usize,
}

impl Follower for Stream {
    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Event>) {
        self.count += 1;
        let twisted: Vec<u8>;
        let mut segment = segment;
        match self.wrong {
            Wrong::IgnoresWhatCameBefore if segment.seq != 101 + u32::try_from(self.right.followed()).unwrap() => {
                return;
            }
            Wrong::IgnoresFin => segment.fin = false,
            Wrong::IgnoresUrgent => segment.urg = false,
            Wrong::DropsEverySecond if self.count.is_multiple_of(2) => return,
            Wrong::LastWins if segment.seq == 101 => {
                twisted = segment.bytes.iter().map(|octet| if *octet == b'q' { b'a' } else { *octet }).collect();
                segment.bytes = &twisted;
            }
            _ => {}
        }
        self.right.segment(segment, at, out);
    }

    fn ack(&mut self, ack: u32, at: u64, out: &mut Vec<Event>) {
        if self.wrong != Wrong::IgnoresAcks {
            self.right.ack(ack, at, out);
        }
    }

    fn grant(&mut self) -> Option<u32> {
        let grant = self.right.grant();
        if self.wrong == Wrong::GrantsTooMuch { grant.map(|until| until + 1) } else { grant }
    }

    fn followed(&self) -> u64 {
        self.right.followed() + u64::from(self.wrong == Wrong::FollowsTooFar)
    }

    fn acked(&self) -> u64 {
        self.right.acked()
    }

    fn finished(&self) -> bool {
        self.right.finished()
    }

    fn memory(&self) -> usize {
        self.right.memory() + if self.wrong == Wrong::HoldsTooMuch { 1 << 20 } else { 0 }
    }
}

fn outcome(wrong: Wrong, steps: &[Step]) -> Result<(), String> {
    let octets = b"GET /aa HTTP/1.1\r\nHost: b\r\nContent-Length: 30000\r\n\r\n".to_vec();
    let plan = Plan { isn: 100, octets, steps: steps.to_vec() };
    let right = RequestStream::new(100, &Arc::new(settings()));
    follow(&plan, &mut Stream { right, wrong, count: 0 }).map_err(|disagreement| disagreement.0)
}

fn piece(from: u64, len: u64) -> Piece {
    Piece::all(from, len)
}

#[test]
fn every_wrong_stream_is_caught_and_the_right_one_is_not() {
    // The octet at 5 is an `a`; XORed with 16 it is a `q`.
    let contradicted = Piece { twist: Some((5, 16)), ..piece(0, 10) };
    let ahead = Piece { twist: Some((3, 1)), ..piece(20, 6) };
    let fin = Piece { fin: true, ..piece(10, 0) };
    let urgent = Piece { urg: true, ..piece(0, 4) };
    let rows: [(Wrong, &[Step]); 11] = [
        (Wrong::LastWins, &[Step::Segment(contradicted.clone()), Step::Segment(piece(0, 10))]),
        (Wrong::IgnoresWhatCameBefore, &[Step::Segment(piece(0, 10)), Step::Segment(contradicted)]),
        (Wrong::IgnoresWhatCameBefore, &[Step::Segment(piece(20, 8)), Step::Segment(ahead)]),
        (Wrong::IgnoresFin, &[Step::Segment(piece(0, 5)), Step::Segment(fin), Step::Segment(piece(10, 5))]),
        (Wrong::IgnoresUrgent, &[Step::Segment(urgent)]),
        (Wrong::IgnoresAcks, &[Step::Segment(piece(0, 5)), Step::Ack(6)]),
        (Wrong::FollowsTooFar, &[Step::Segment(piece(0, 5))]),
        (Wrong::HoldsTooMuch, &[]),
        (Wrong::DropsEverySecond, &[Step::Segment(piece(0, 5)), Step::Segment(piece(5, 5))]),
        (Wrong::DropsEverySecond, &[Step::Segment(piece(0, 5))]),
        (Wrong::GrantsTooMuch, &[Step::Segment(piece(0, 52)), Step::Grant]),
    ];
    for (wrong, steps) in rows {
        assert_eq!(outcome(Wrong::Nothing, steps), Ok(()), "{steps:?}");
        assert!(outcome(wrong, steps).is_err(), "{wrong:?} passes {steps:?}");
    }
}
