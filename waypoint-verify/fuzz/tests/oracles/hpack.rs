//! HPACK: decoders that forget, invent or refuse.

use waypoint_verify::wire::fuzzing::Hpack;
use waypoint_verify_fuzz::hpack::{Decoder, Fields, Plan, TABLE, compare, integer, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    ForgetsTheTable,
    OtherValue,
    OneTooFew,
    Refuses,
    HoldsTooMuch,
}

struct Stream {
    right: Hpack,
    wrong: Wrong,
}

impl Decoder for Stream {
    fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let fields = self.right.decode(block);
        match self.wrong {
            // Another name for the entry that was indexed last.
            Wrong::ForgetsTheTable => Ok(fields?.into_iter().map(|(_, value)| (b"date".to_vec(), value)).collect()),
            Wrong::OtherValue => Ok(fields?.into_iter().map(|(name, _)| (name, b"x".to_vec())).collect()),
            Wrong::OneTooFew => fields.map(|mut fields| {
                fields.pop();
                fields
            }),
            Wrong::Refuses => Err("no".into()),
            Wrong::Nothing | Wrong::HoldsTooMuch => fields,
        }
    }

    fn heap(&self) -> usize {
        self.right.heap() + if self.wrong == Wrong::HoldsTooMuch { 1 << 20 } else { 0 }
    }
}

#[test]
fn every_wrong_decoder_is_caught_and_the_right_one_is_not() {
    let mut first = Vec::new();
    integer(&mut first, 0x40, 6, 0);
    text(&mut first, b"x-order-id", true);
    text(&mut first, b"7", false);
    let mut second = Vec::new();
    integer(&mut second, 0x80, 7, 62);
    let outcome = |wrong, right| {
        let plan = Plan { blocks: vec![first.clone(), second.clone()], right };
        compare(&plan, &mut Stream { right: Hpack::new(TABLE), wrong }).map_err(|disagreement| disagreement.0)
    };
    assert_eq!(outcome(Wrong::Nothing, true), Ok(()));
    for wrong in [Wrong::ForgetsTheTable, Wrong::OtherValue, Wrong::OneTooFew, Wrong::Refuses, Wrong::HoldsTooMuch] {
        assert!(outcome(wrong, true).is_err(), "{wrong:?} passes");
    }
    // Of blocks that may be wrong nothing is claimed where they are refused.
    assert_eq!(outcome(Wrong::Refuses, false), Ok(()));
}
