//! Fuzz targets for every parser of octets that an attacker controls, each with an oracle of its own.
//!
//! A target takes any octets and panics where the program and the oracle disagree. The same functions are driven by
//! libFuzzer (`mains`, built by `cargo xtask fuzz`) and by the test that replays the corpora.

pub mod admission;
pub mod edits;
pub mod foreign;
pub mod hpack;
pub mod http1;
pub mod http2;
pub mod inventory;
pub mod policy;
pub mod reassembly;
pub mod recording;
pub mod records;
pub mod responses;
pub mod told;

/// A target: its name is that of its folder in `corpus` and of its program in `mains`.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 11] = [
    Target { name: "admission", run: admission::target },
    Target { name: "foreign", run: foreign::target },
    Target { name: "hpack", run: hpack::target },
    Target { name: "http1", run: http1::target },
    Target { name: "http2", run: http2::target },
    Target { name: "inventory", run: inventory::target },
    Target { name: "policy", run: policy::target },
    Target { name: "reassembly", run: reassembly::target },
    Target { name: "recording", run: recording::target },
    Target { name: "records", run: records::target },
    Target { name: "responses", run: responses::target },
];

/// What program and oracle disagree in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement(pub String);

/// `Err` with this text unless the condition holds.
#[macro_export]
macro_rules! demand {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err($crate::Disagreement(format!($($said)+)));
        }
    };
}

/// Ends a target.
///
/// # Panics
/// Where there was a disagreement: that is how libFuzzer learns of it.
pub fn settle(outcome: Result<(), Disagreement>) {
    if let Err(Disagreement(what)) = outcome {
        panic!("{what}");
    }
}
