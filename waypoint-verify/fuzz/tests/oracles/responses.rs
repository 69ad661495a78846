//! Responses: streams that tell too early, too late, or something else.

use std::sync::Arc;

use waypoint_verify::wire::{Asked, ResponseStream, Segment};
use waypoint_verify_fuzz::responses::plan::{Packet, Plan, Step};
use waypoint_verify_fuzz::responses::{Follower, follow, settings};
use waypoint_verify_fuzz::told::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Says that a response ended as soon as its head was seen.
    Early,
    Never,
    OtherStatus,
    /// Takes the end of the second response for that of the first.
    SkipsOne,
    AfterUnknown,
    HoldsTooMuch,
    GrantsTheLastOctet,
}

struct Stream {
    right: ResponseStream,
    wrong: Wrong,
}

impl Follower for Stream {
    fn request(&mut self, asked: Asked, out: &mut Vec<Answer>) {
        Follower::request(&mut self.right, asked, out);
    }

    fn segment(&mut self, segment: Segment<'_>, at: u64, out: &mut Vec<Answer>) {
        let mut told = Vec::new();
        Follower::segment(&mut self.right, segment, at, &mut told);
        for answer in told {
            match (self.wrong, answer) {
                (Wrong::Early, Answer::Answered { which, .. }) => out.extend([answer, Answer::Ended(which)]),
                (Wrong::Early | Wrong::Never, Answer::Ended(_)) => {}
                (Wrong::OtherStatus, Answer::Answered { which, .. }) => {
                    out.push(Answer::Answered { which, status: 404 });
                }
                (Wrong::SkipsOne, Answer::Answered { which: 0, .. } | Answer::Ended(0)) => {}
                (Wrong::AfterUnknown, Answer::Ended(_)) => out.extend([Answer::Unknown, answer]),
                _ => out.push(answer),
            }
        }
    }

    fn grant(&mut self) -> Option<u32> {
        let grant = Follower::grant(&mut self.right);
        if self.wrong == Wrong::GrantsTheLastOctet { grant.map(|until| until + 1) } else { grant }
    }

    fn memory(&self) -> usize {
        Follower::memory(&self.right) + if self.wrong == Wrong::HoldsTooMuch { 1 << 20 } else { 0 }
    }
}

#[test]
fn every_wrong_stream_is_caught_and_the_right_one_is_not() {
    let mut octets = b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n".to_vec();
    let head = octets.len() as u64;
    octets.resize(octets.len() + 30_000, b'x');
    octets.extend(b"HTTP/1.1 204 No Content\r\n\r\n");
    let rest = octets.len() as u64 - head;
    let steps =
        vec![Step::Packet(Packet::all(0, head)), Step::Grant, Step::Packet(Packet::all(head, rest)), Step::Grant];
    let plan = Plan { isn: 7, asked: vec![Asked::Other, Asked::Other], octets, steps };
    assert!(plan.complete());
    let outcome = |wrong| {
        let right = ResponseStream::new(plan.isn, &Arc::new(settings()));
        follow(&plan, &mut Stream { right, wrong }).map_err(|disagreement| disagreement.0)
    };
    assert_eq!(outcome(Wrong::Nothing), Ok(()));
    for wrong in [
        Wrong::Early,
        Wrong::Never,
        Wrong::OtherStatus,
        Wrong::SkipsOne,
        Wrong::AfterUnknown,
        Wrong::HoldsTooMuch,
        Wrong::GrantsTheLastOctet,
    ] {
        assert!(outcome(wrong).is_err(), "{wrong:?} passes");
    }
}
