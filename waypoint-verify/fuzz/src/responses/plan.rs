//! What a fuzzer's octets mean: responses, and how a socket writes them.

use arbitrary::{Arbitrary, Result, Unstructured};
use waypoint_verify::wire::{Asked, Segment};

const MAX_STEPS: usize = 64;
const MAX_OCTETS: usize = 50_000;

#[derive(Clone, Debug)]
pub struct Plan {
    pub isn: u32,
    pub asked: Vec<Asked>,
    pub octets: Vec<u8>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Packet(Packet),
    Grant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    pub from: u64,
    pub len: u64,
    pub skipped: u64,
    pub copied: u64,
    /// Its record came.
    pub shown: bool,
}

impl Packet {
    pub fn all(from: u64, len: u64) -> Self {
        Self { from, len, skipped: 0, copied: len, shown: true }
    }

    pub fn segment<'a>(&self, plan: &'a Plan) -> Segment<'a> {
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(plan.octets.len());
        let shown = self.from + self.skipped;
        Segment {
            seq: plan.isn.wrapping_add(1).wrapping_add(short(self.from)),
            payload_len: short(self.len),
            skipped: short(self.skipped),
            bytes: &plan.octets[at(shown)..at(shown + self.copied)],
            ..Segment::default()
        }
    }
}

impl Plan {
    /// Everything was written and shown.
    pub fn complete(&self) -> bool {
        let mut written = 0;
        for step in &self.steps {
            let Step::Packet(packet) = step else { continue };
            if !packet.shown || packet.copied != packet.len {
                return false;
            }
            written = written.max(packet.from + packet.len);
        }
        written == self.octets.len() as u64
    }
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let isn = u.arbitrary()?;
        let (mut asked, mut octets) = (Vec::new(), Vec::new());
        for _ in 0..u.int_in_range(1..=8)? {
            asked.push(match u.int_in_range(0..=15)? {
                0 => Asked::Connect,
                1 | 2 => Asked::Head,
                _ => Asked::Other,
            });
            response(u, &mut octets)?;
            octets.truncate(MAX_OCTETS);
        }
        let whole = u.ratio(1, 4)?;
        let (mut steps, mut written) = (Vec::new(), 0);
        let stream = octets.len() as u64;
        while steps.len() < MAX_STEPS && written < stream && !u.is_empty() {
            if u.ratio(1, 8)? {
                steps.push(Step::Grant);
                continue;
            }
            let most = if u.ratio(1, 4)? { 30_000 } else { 80 };
            let from = if u.ratio(1, 8)? { written - u.int_in_range(0..=written.min(200))? } else { written };
            let mut packet = Packet::all(from, u.int_in_range(1..=most)?.min(stream - from).max(written - from + 1));
            if !whole {
                match u.arbitrary::<u8>()? {
                    0..16 => packet.shown = false,
                    16..48 => {
                        packet.skipped = u.int_in_range(0..=packet.len)?;
                        packet.copied = u.int_in_range(0..=packet.len - packet.skipped)?;
                    }
                    _ => {}
                }
            }
            written = packet.from + packet.len;
            steps.push(Step::Packet(packet));
        }
        if whole && written < stream {
            steps.push(Step::Packet(Packet::all(written, stream - written)));
        }
        Ok(Self { isn, asked, octets, steps })
    }
}

fn response(u: &mut Unstructured<'_>, octets: &mut Vec<u8>) -> Result<()> {
    let line = |octets: &mut Vec<u8>, text: String| octets.extend(text.bytes());
    if u.ratio(1, 12)? {
        octets.extend(u.arbitrary::<&[u8]>()?.iter().take(200));
        return Ok(());
    }
    const STATUS: [u16; 12] = [200, 200, 200, 404, 100, 101, 103, 204, 304, 205, 301, 999];
    let minor = u8::from(u.ratio(9, 10)?);
    line(octets, format!("HTTP/1.{minor} {} X\r\n", u.choose(&STATUS)?));
    if u.ratio(1, 8)? {
        octets.extend([b"X: ", u.arbitrary::<&[u8]>()?, b"\r\n"].concat());
    }
    match u.int_in_range(0..=9)? {
        0 => octets.extend(b"\r\n"),
        1 => octets.extend(b"Content-Length: 0\r\n\r\n"),
        2..=5 => {
            let length = if u.ratio(1, 8)? { u.int_in_range(0..=40_000)? } else { u.int_in_range(0..=300)? };
            line(octets, format!("Content-Length: {length}\r\n\r\n"));
            octets.extend((0..length).map(|n| b"\r\nHTTP/1.1 200 OK\r\n\r\n"[n % 21]));
        }
        6 => {
            // Framed in two ways, or in a way that nobody should read.
            octets.extend(b"Content-Length: 3\r\n");
            octets.extend(*u.choose(&[&b"Transfer-Encoding: chunked\r\n\r\n"[..], b"Content-Length: 4\r\n\r\n"])?);
            octets.extend(b"0\r\n\r\n");
        }
        _ => {
            octets.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for _ in 0..u.int_in_range(0..=4)? {
                let size = if u.ratio(1, 8)? { 20_000 } else { u.int_in_range(1..=200usize)? };
                line(octets, format!("{size:x}{}\r\n", if size % 3 == 0 { ";e=\"f\"" } else { "" }));
                octets.extend((0..size).map(|n| b"0\r\n\r\n"[n % 5]));
                octets.extend(b"\r\n");
            }
            octets.extend(if u.arbitrary()? { &b"0\r\n\r\n"[..] } else { b"0\r\nT: u\r\nV: w\r\n\r\n" });
        }
    }
    Ok(())
}
