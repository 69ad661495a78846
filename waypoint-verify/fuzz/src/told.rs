//! What a request stream told, in the plain words that oracles compare: the one place that knows `wire::Event`.

use std::sync::Arc;

use waypoint_verify::model::Version;
use waypoint_verify::wire::{Body, Event, Poison, RequestStream, ResponseEvent, Segment, Settings, Which};

/// One message, as far as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub offset: u64,
    /// 0 in HTTP/1.
    pub stream: u32,
    pub head_len: u64,
    pub digest: u64,
    pub method: Vec<u8>,
    /// In origin form.
    pub target: Vec<u8>,
    pub authority: Option<Vec<u8>>,
    pub http10: bool,
    /// Names in lower case; in order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub length: Option<u64>,
    pub switch: bool,
    /// `(end, octets of content)`.
    pub end: Option<(u64, u64)>,
    /// HTTP/2: the client reset it.
    pub reset: bool,
}

/// Everything that a stream told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub messages: Vec<Message>,
    pub poisoned: Option<(u64, Poison)>,
    /// What it is instead of HTTP.
    pub named: Option<String>,
}

impl Told {
    /// # Panics
    /// If the events contradict each other: an end of no message, two poisons, anything after the poison.
    pub fn of(events: &[Event]) -> Self {
        let mut told = Self::default();
        for event in events {
            assert_eq!(told.poisoned, None, "told after the poison: {event:?}");
            match event {
                Event::Head { offset, stream, .. } => {
                    let open = told.messages.iter().any(|message| *stream == 0 && message.end.is_none());
                    assert!(!open, "a head at {offset} inside a message");
                    told.messages.extend(message(event));
                }
                Event::End { offset, stream, end, body_len } => {
                    let message = told.find(*offset, *stream);
                    assert_eq!(message.end.replace((*end, *body_len)), None, "a second end");
                }
                Event::Reset { offset, stream, .. } => told.find(*offset, *stream).reset = true,
                Event::Poisoned { offset, reason, named } => {
                    told.poisoned = Some((*offset, *reason));
                    told.named = named.as_ref().map(ToString::to_string);
                }
            }
        }
        told
    }
}

impl Told {
    fn find(&mut self, offset: u64, stream: u32) -> &mut Message {
        let found = self.messages.iter_mut().rfind(|message| (message.offset, message.stream) == (offset, stream));
        found.expect("it is told of a message whose head was told")
    }

    /// Whether what follows the messages that ended is held until an empty line comes: what is wrong with it may show
    /// only then, if it came in pieces.
    pub fn may_wait(&self, octets: &[u8]) -> bool {
        match self.messages.last() {
            Some(Message { end: None, length, .. }) => length.is_none(),
            last => {
                let ended = last.and_then(|message| message.end).map_or(0, |(end, _)| end);
                let rest = usize::try_from(ended).ok().and_then(|end| octets.get(end..)).unwrap_or_default();
                let lines = rest.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
                !rest[lines..].windows(4).any(|end| end == b"\r\n\r\n")
            }
        }
    }
}

fn message(event: &Event) -> Option<Message> {
    let Event::Head { offset, stream, head_len, head, digest, body, switch, .. } = event else { return None };
    Some(Message {
        offset: *offset,
        stream: *stream,
        head_len: u64::from(*head_len),
        digest: *digest,
        method: head.method().to_vec(),
        target: head.target().to_vec(),
        authority: head.authority().map(<[u8]>::to_vec),
        http10: head.version() == Version::Http10,
        fields: head.fields().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect(),
        length: match body {
            Body::Length(length) => Some(*length),
            Body::Chunked | Body::Stream => None,
        },
        switch: switch.is_some(),
        end: None,
        reset: false,
    })
}

/// Reads octets in order, cut after these offsets (ascending), telling of every request for a switch except CONNECT that
/// it was turned down.
pub fn read(octets: &[u8], cuts: impl IntoIterator<Item = usize>) -> (Told, RequestStream) {
    let mut stream = RequestStream::new(0, &Arc::new(Settings::default()));
    let mut events = Vec::new();
    let mut from = 0;
    for (at, to) in (1..).zip(cuts.into_iter().chain([octets.len()])) {
        let to = to.clamp(from, octets.len());
        let before = events.len();
        stream.segment(segment(0, from as u64, &octets[from..to]), at, &mut events);
        for event in &events[before..] {
            if let Event::Head { offset, switch: Some(_), head, .. } = event
                && head.method() != b"CONNECT"
            {
                stream.no_switch(*offset);
            }
        }
        from = to;
    }
    (Told::of(&events), stream)
}

/// Reads octets in order and at once.
pub fn read_with(settings: &Settings, octets: &[u8]) -> (Told, RequestStream) {
    let mut stream = RequestStream::new(0, &Arc::new(settings.clone()));
    let mut events = Vec::new();
    stream.segment(segment(0, 0, octets), 1, &mut events);
    (Told::of(&events), stream)
}

/// All of `bytes`, at this offset of the stream.
pub fn segment(isn: u32, offset: u64, bytes: &[u8]) -> Segment<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap; inputs are small")]
    let (seq, payload_len) = (isn.wrapping_add(1).wrapping_add(offset as u32), bytes.len() as u32);
    Segment { seq, payload_len, bytes, ..Segment::default() }
}

/// What a response stream told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Answered { which: usize, status: u16 },
    Ended(usize),
    Unknown,
}

/// Runs something that tells events of responses.
pub fn answers(out: &mut Vec<Answer>, run: impl FnOnce(&mut Vec<ResponseEvent>)) {
    let mut events = Vec::new();
    run(&mut events);
    let number = |which: Which| match which {
        Which::Nth(index) => usize::try_from(index).expect("requests of a test are few"),
        Which::Stream(stream) => stream as usize,
    };
    out.extend(events.into_iter().map(|event| match event {
        ResponseEvent::Answered { which, status, .. } => Answer::Answered { which: number(which), status },
        ResponseEvent::Ended { which, .. } => Answer::Ended(number(which)),
        ResponseEvent::Unknown { .. } => Answer::Unknown,
    }));
}
