//! How every message on the bus is written: two octets of schema version (little endian), then postcard in zstd.
//!
//! Postcard does not describe itself, so that any change of a type that is sent needs another version. `tests` hold the
//! octets of a sample: they fail where the form changed and the version did not.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Of the quick levels of zstd: another one costs more than the network that it saves.
const LEVEL: i32 = 1;

/// What a message may be unpacked to: a few octets can be packed that claim to be gigabytes.
const UNPACKED: usize = 16 << 20;

/// Why a message on the bus was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{got} octets are no message of waypoint-verify")]
    Short { got: usize },
    #[error("schema version {got} is newer than this program's {known}: upgrade this program")]
    Newer { got: u16, known: u16 },
    #[error("schema version {got} is older than this program's {known}: upgrade whoever sent it")]
    Older { got: u16, known: u16 },
    #[error("cannot be unpacked (zstd: {0})")]
    Packing(String),
    #[error("is not of the form that its version promises ({0})")]
    Form(String),
}

/// What is sent, or left for somebody, in this form.
pub trait Message: Serialize + DeserializeOwned {
    /// Of the type with all that it holds.
    const VERSION: u16;

    /// Octets that one may be unpacked to.
    const UNPACKED: usize = UNPACKED;

    fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        let plain = postcard::to_stdvec(self).map_err(|error| Unreadable::Form(error.to_string()))?;
        let packed = zstd::bulk::compress(&plain, LEVEL).map_err(|error| Unreadable::Packing(error.to_string()))?;
        Ok([&Self::VERSION.to_le_bytes()[..], &packed].concat())
    }

    fn decode(octets: &[u8]) -> Result<Self, Unreadable> {
        let known = Self::VERSION;
        let Some((version, packed)) = octets.split_first_chunk::<2>() else {
            return Err(Unreadable::Short { got: octets.len() });
        };
        let got = u16::from_le_bytes(*version);
        if got > known {
            return Err(Unreadable::Newer { got, known });
        }
        if got < known {
            return Err(Unreadable::Older { got, known });
        }
        let plain =
            zstd::bulk::decompress(packed, Self::UNPACKED).map_err(|error| Unreadable::Packing(error.to_string()))?;
        let (value, rest) = postcard::take_from_bytes(&plain).map_err(|error| Unreadable::Form(error.to_string()))?;
        if rest.is_empty() { Ok(value) } else { Err(Unreadable::Form(format!("{} octets too many", rest.len()))) }
    }
}
