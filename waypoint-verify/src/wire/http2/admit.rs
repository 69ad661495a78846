//! Which frame may come where (RFC 9113 sections 5 and 6).

use super::frame::{Frame, Kind};
use super::held::Held;
use super::streams::Streams;
use crate::wire::{Bound, Malformed, Poison, Settings};

/// Octets of a SETTINGS frame: every setting that there is fits many times.
const MAX_SETTINGS: u32 = 4096;

/// How a frame is read.
pub(super) enum Plan {
    Whole,
    Data,
    Pass,
}

/// Whether a frame may come here, and how to read it.
pub(super) fn frame(frame: Frame, streams: &Streams, settings: &Settings) -> Result<Plan, Poison> {
    let Frame { kind, len, stream, .. } = frame;
    let of_connection = match kind {
        Kind::Settings | Kind::Ping | Kind::Goaway => stream != 0,
        Kind::Data | Kind::Headers | Kind::Priority | Kind::RstStream | Kind::Continuation => stream == 0,
        Kind::PushPromise | Kind::WindowUpdate | Kind::Other => false,
    };
    if of_connection {
        return Err(Malformed::FrameStream.into());
    }
    let sized = match kind {
        Kind::Priority => len == 5,
        Kind::RstStream | Kind::WindowUpdate => len == 4,
        Kind::Settings => len.is_multiple_of(6) && (len == 0 || !frame.is_ack()),
        Kind::Ping => len == 8,
        Kind::Goaway => len >= 8,
        Kind::Data | Kind::Headers | Kind::PushPromise | Kind::Continuation | Kind::Other => true,
    };
    if !sized {
        return Err(Malformed::FrameSize.into());
    }
    match kind {
        Kind::Data if streams.is_idle(stream) => Err(Malformed::StreamIdle.into()),
        Kind::Data if !streams.is_open(stream) => Err(Malformed::StreamClosed.into()),
        Kind::Data => Ok(Plan::Data),
        Kind::Headers if stream.is_multiple_of(2) => Err(Malformed::StreamId.into()),
        Kind::Headers if !streams.is_idle(stream) && !streams.is_open(stream) => Err(Malformed::StreamClosed.into()),
        Kind::Headers if frame.octets() > settings.max_head as usize => Err(Bound::HeadTooLarge.into()),
        Kind::RstStream | Kind::WindowUpdate if streams.is_idle(stream) => Err(Malformed::StreamIdle.into()),
        Kind::Settings if len > MAX_SETTINGS => Err(Bound::Settings.into()),
        Kind::PushPromise => Err(Malformed::PushPromise.into()),
        Kind::Continuation => Err(Malformed::Continuation.into()),
        Kind::Headers | Kind::RstStream | Kind::Settings | Kind::WindowUpdate => Ok(Plan::Whole),
        Kind::Priority | Kind::Ping | Kind::Goaway | Kind::Other => Ok(Plan::Pass),
    }
}

pub(super) fn continuation(held: &mut Held, first: Frame, next: Frame, settings: &Settings) -> Result<Plan, Poison> {
    if next.kind != Kind::Continuation || next.stream != first.stream {
        return Err(Malformed::Continuation.into());
    }
    held.continuations += 1;
    if held.continuations > settings.max_continuations {
        return Err(Bound::Continuations.into());
    }
    if held.octets.len() + next.len as usize > settings.max_head as usize {
        return Err(Bound::HeadTooLarge.into());
    }
    Ok(Plan::Whole)
}

/// RFC 9113 section 6.5.2: values that are connection errors.
pub(super) fn settings_ok(payload: &[u8]) -> bool {
    payload.chunks_exact(6).all(|setting| {
        let value = u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]);
        match u16::from_be_bytes([setting[0], setting[1]]) {
            // ENABLE_PUSH, and ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3).
            2 | 8 => value <= 1,
            // INITIAL_WINDOW_SIZE.
            4 => value < 1 << 31,
            // MAX_FRAME_SIZE.
            5 => (1 << 14..1 << 24).contains(&value),
            _ => true,
        }
    })
}
