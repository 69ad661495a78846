//! What a fuzzer's octets mean: a request stream, and how its segments come.

use arbitrary::{Arbitrary, Result, Unstructured};
use waypoint_verify::wire::Segment;

const MAX_STEPS: usize = 64;
const MAX_OCTETS: usize = 6000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub isn: u32,
    /// The true stream.
    pub octets: Vec<u8>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Segment(Piece),
    /// The receiver has so many octets.
    Ack(u64),
    /// The kernel is told what it need not copy.
    Grant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    pub from: u64,
    /// Octets on the wire, of which the first `skipped` and those after the next `copied` are not shown.
    pub len: u64,
    pub skipped: u64,
    pub copied: u64,
    /// One octet of those that are shown is another one (index, what it is XORed with).
    pub twist: Option<(usize, u8)>,
    pub fin: bool,
    pub urg: bool,
    pub syn: Syn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Arbitrary)]
pub enum Syn {
    #[default]
    None,
    /// The connection's own, with data (Fast Open): the piece starts at 0.
    Own,
    /// Of another connection of the same ports.
    Foreign,
}

impl Plan {
    /// The octets of a piece that are shown. What lies beyond the true stream is filled up.
    pub fn bytes(&self, piece: &Piece) -> Vec<u8> {
        let shown = piece.from + piece.skipped..piece.from + piece.skipped + piece.copied;
        let octet = |at: u64| usize::try_from(at).ok().and_then(|at| self.octets.get(at)).copied().unwrap_or(b'X');
        let mut bytes: Vec<u8> = shown.map(octet).collect();
        if let Some((at, with)) = piece.twist
            && !bytes.is_empty()
        {
            let at = at % bytes.len();
            bytes[at] ^= with;
        }
        bytes
    }

    /// Whether a receiver would get the true stream of it, whatever the order.
    pub fn honest(&self) -> bool {
        let len = self.octets.len() as u64;
        self.steps.iter().all(|step| match step {
            Step::Segment(piece) => {
                let end = piece.from + piece.len;
                piece.twist.is_none() && !piece.urg && end <= len && (!piece.fin || end == len)
            }
            Step::Ack(_) | Step::Grant => true,
        })
    }
}

impl Piece {
    pub fn all(from: u64, len: u64) -> Self {
        Self { from, len, copied: len, ..Self::default() }
    }

    pub fn segment<'a>(&self, isn: u32, bytes: &'a [u8]) -> Segment<'a> {
        let seq = match self.syn {
            Syn::None => sequence(isn, self.from),
            Syn::Own => isn,
            Syn::Foreign => isn.wrapping_add(77_777),
        };
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Segment {
            seq,
            payload_len: short(self.len),
            skipped: short(self.skipped),
            bytes,
            fin: self.fin,
            syn: self.syn != Syn::None,
            urg: self.urg,
        }
    }
}

/// Sequence number of an offset.
pub fn sequence(isn: u32, offset: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are offsets modulo 2^32")]
    isn.wrapping_add(1).wrapping_add(offset as u32)
}

impl Arbitrary<'_> for Plan {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let isn = if u.ratio(1, 4)? { u32::MAX - u32::from(u.arbitrary::<u8>()?) } else { u.arbitrary()? };
        let mut octets = Vec::new();
        for _ in 0..u.int_in_range(1..=8)? {
            part(u, &mut octets)?;
            octets.truncate(MAX_OCTETS);
        }
        let (mut steps, mut next) = (Vec::new(), 0);
        while !u.is_empty() && steps.len() < MAX_STEPS {
            steps.push(step(u, octets.len() as u64, &mut next)?);
        }
        Ok(Self { isn, octets, steps })
    }
}

/// Appends one message, or something like it.
fn part(u: &mut Unstructured<'_>, octets: &mut Vec<u8>) -> Result<()> {
    const HEAD: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n";
    let line = |octets: &mut Vec<u8>, text: String| octets.extend(text.bytes());
    match u.int_in_range(0..=9)? {
        0 => octets.extend(u.arbitrary::<&[u8]>()?.iter().take(300)),
        1 => octets.extend(b"\r\n"),
        2 => line(octets, "GET /b HTTP/1.1\r\nHost: c\r\nUpgrade: x\r\n\r\n".into()),
        3 => octets.extend([HEAD, b"X-Long: ", &vec![b'y'; u.int_in_range(0..=3000)?], b"\r\n\r\n"].concat()),
        4 | 5 => {
            let length = u.int_in_range(0..=2000usize)?;
            octets.extend(HEAD);
            // Enough for a grant, at times: the stream is over long before.
            let announced = if u.ratio(1, 8)? { length + 40_000 } else { length };
            line(octets, format!("Content-Length: {announced}\r\n\r\n"));
            octets.extend((0..length).map(|n| if n % 7 == 0 { b'\n' } else { b'z' }));
        }
        6 | 7 => {
            octets.extend([HEAD, b"Transfer-Encoding: chunked\r\n\r\n"].concat());
            for _ in 0..u.int_in_range(0..=4)? {
                let size = u.int_in_range(1..=700usize)?;
                line(octets, format!("{size:x}{}\r\n", if size % 3 == 0 { ";e" } else { "" }));
                octets.extend(vec![b'0'; size]);
                octets.extend(b"\r\n");
            }
            octets.extend(if u.arbitrary()? { &b"0\r\n\r\n"[..] } else { b"0\r\nT: u\r\n\r\n" });
        }
        _ => octets.extend([HEAD, b"\r\n"].concat()),
    }
    Ok(())
}

fn step(u: &mut Unstructured<'_>, stream: u64, next: &mut u64) -> Result<Step> {
    let kind = u.int_in_range(0..=15)?;
    if kind == 0 {
        return Ok(Step::Grant);
    }
    if kind <= 2 {
        // Mostly what was sent last, sometimes anything.
        let upto = if u.ratio(7, 8)? { (*next).min(stream) } else { u.int_in_range(0..=stream + 20)? };
        return Ok(Step::Ack(upto));
    }
    let from = match kind {
        3..=9 => *next,
        10 | 11 => *next + u64::from(u.arbitrary::<u8>()?),
        12 | 13 => next.saturating_sub(u64::from(u.arbitrary::<u8>()?)),
        _ => u.int_in_range(0..=stream)?,
    };
    let most = if u.ratio(1, 4)? { 3000 } else { 60 };
    let len = u.int_in_range(0..=most)?;
    let mut piece = Piece::all(from, if u.ratio(15, 16)? { len.min(stream.saturating_sub(from)) } else { len });
    match u.arbitrary::<u8>()? {
        0..16 => {
            piece.skipped = u.int_in_range(0..=piece.len)?;
            piece.copied = u.int_in_range(0..=piece.len - piece.skipped)?;
        }
        16..32 => piece.twist = Some((u.arbitrary::<u16>()?.into(), u.int_in_range(1..=255)?)),
        32..36 => piece.fin = true,
        36 => piece.urg = true,
        37..40 => {
            piece.syn = u.arbitrary()?;
            if piece.syn == Syn::Own {
                piece.from = 0;
            }
        }
        40..48 => piece.fin = piece.from + piece.len == stream,
        _ => {}
    }
    *next = piece.from + piece.len;
    Ok(Step::Segment(piece))
}
