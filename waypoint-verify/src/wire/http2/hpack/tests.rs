//! RFC 7541's own examples, what must be refused, and another decoder as oracle.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Decoder, Fault, FieldText, Sink, TableTooLarge};

#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Fault(Fault),
    TooLarge,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<TableTooLarge> for Failure {
    fn from(_: TableTooLarge) -> Self {
        Self::TooLarge
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct List(Fields);

impl Sink for List {
    type Error = Failure;

    fn field(&mut self, text: FieldText<'_>) -> Result<(), Failure> {
        self.0.push((text.name.to_vec(), text.value.to_vec()));
        Ok(())
    }
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, Failure> {
    let mut list = List::default();
    decoder.decode(block, &mut list).map(|()| list.0)
}

fn lines(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let list = decode(decoder, block).unwrap();
    list.iter().map(|(n, v)| format!("{}={}", String::from_utf8_lossy(n), String::from_utf8_lossy(v))).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter_map(|c| char::from(c).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Appendix C.3 and C.4, three requests on one connection each.
#[test]
fn the_requests_of_the_rfc_are_decoded() {
    let plain = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    let coded = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    for requests in [plain, coded] {
        let mut decoder = Decoder::new(4096);
        let start = |scheme: &str, path: &str| {
            vec![
                format!(":method=GET"),
                format!(":scheme={scheme}"),
                format!(":path={path}"),
                ":authority=www.example.com".into(),
            ]
        };
        assert_eq!(lines(&mut decoder, &hex(requests[0])), start("http", "/"));
        let second = [start("http", "/"), vec!["cache-control=no-cache".into()]].concat();
        assert_eq!(lines(&mut decoder, &hex(requests[1])), second);
        let third = [start("https", "/index.html"), vec!["custom-key=custom-value".into()]].concat();
        assert_eq!(lines(&mut decoder, &hex(requests[2])), third);
        assert_eq!(decoder.table.size, 164);
    }
}

/// Appendix C.5: responses that evict, in a table of 256 octets.
#[test]
fn entries_are_evicted_oldest_first() {
    let responses = [
        "3fe1014803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
    ];
    let mut decoder = Decoder::new(4096);
    assert_eq!(lines(&mut decoder, &hex(responses[0]))[0], ":status=302");
    assert_eq!(decoder.table.size, 222);
    let date = "date=Mon, 21 Oct 2013 20:13:2";
    assert_eq!(
        lines(&mut decoder, &hex(responses[1])),
        [":status=307", "cache-control=private", &format!("{date}1 GMT"), "location=https://www.example.com"]
    );
    assert_eq!(decoder.table.size, 222);
    assert_eq!(lines(&mut decoder, &hex(responses[2]))[2], format!("{date}2 GMT"));
    assert_eq!(decoder.table.size, 215);
}

#[test]
fn what_is_no_header_block_is_refused() {
    // (what came before, block, why)
    let entry: &[u8] = &[0x40, 1, b'x', 1, b'y'];
    let rows: &[(&[u8], &[u8], Fault)] = &[
        (b"", &[0x80], Fault::Index),
        (b"", &[0x80 | 62], Fault::Index),
        (entry, &[0x80 | 63], Fault::Index),
        (b"", &[0xff, 0xff, 0xff, 0xff, 0x7f], Fault::Index),
        (b"", &[0x7f, 0, 1, b'y'], Fault::Index),
        (b"", &[0x0f, 47, 1, b'y'], Fault::Index),
        // A resize to nothing empties the table.
        (entry, &[0x20, 0x80 | 62], Fault::Index),
        // 5.1: integers without end.
        (b"", &[0xff, 0x80, 0x80, 0x80, 0x80, 0x00], Fault::Integer),
        (b"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Fault::Integer),
        // Torn anywhere.
        (b"", &[0xff], Fault::Truncated),
        (b"", &[0xff, 0x80], Fault::Truncated),
        (b"", &[0x40], Fault::Truncated),
        (b"", &[0x40, 1], Fault::Truncated),
        (b"", &[0x40, 1, b'x'], Fault::Truncated),
        (b"", &[0x40, 1, b'x', 2, b'y'], Fault::Truncated),
        (b"", &[0x44], Fault::Truncated),
        (b"", &[0x44, 0x7f, 0xff, 0xff, 0xff, 0x7f], Fault::Truncated),
        (b"", &[0x3f], Fault::Truncated),
        // 4.2: updates stand at the start, two at most.
        (b"", &[0x82, 0x20], Fault::SizeUpdate),
        (b"", &[0x82, 0x20, 0x82], Fault::SizeUpdate),
        (b"", &[0x20, 0x21, 0x22, 0x82], Fault::SizeUpdate),
        // 5.2: padding of more than seven bits, or not of ones; EOS.
        (b"", &[0x44, 0x82, 0x07, 0xff], Fault::Huffman),
        (b"", &[0x44, 0x81, 0x00], Fault::Huffman),
        (b"", &[0x44, 0x81, 0x06], Fault::Huffman),
        (b"", &[0x44, 0x84, 0xff, 0xff, 0xff, 0xff], Fault::Huffman),
        (b"", &[0x44, 0x81, 0xff], Fault::Huffman),
    ];
    for (before, block, why) in rows {
        let mut decoder = Decoder::new(4096);
        decode(&mut decoder, before).unwrap();
        assert_eq!(decode(&mut decoder, block), Err(Failure::Fault(*why)), "{block:02x?}");
    }
    let mut decoder = Decoder::new(5000);
    assert_eq!(decode(&mut decoder, &[0x3f, 0xea, 0x26]), Err(Failure::TooLarge));
    assert_eq!(decode(&mut decoder, &[0x3f, 0xe9, 0x26]), Ok(vec![]));
    // The smallest size that there was between two blocks, and the last one.
    assert_eq!(lines(&mut decoder, &[0x20, 0x3f, 0xe9, 0x26, 0x82]), [":method=GET"]);
    // Every receiver keeps what both ends start with.
    let mut small = Decoder::new(0);
    assert_eq!(decode(&mut small, &[0x3f, 0xe1, 0x1f]), Ok(vec![]));
    assert_eq!(decode(&mut small, &[0x3f, 0xe2, 0x1f]), Err(Failure::TooLarge));
    // The largest integer that is taken.
    let mut large = Decoder::new(u32::MAX);
    assert_eq!(decode(&mut large, &[0x3f, 0xff, 0xff, 0xff, 0x7f]), Ok(vec![]));
}

#[test]
fn a_name_may_come_from_the_entry_that_it_evicts() {
    let mut decoder = Decoder::new(4096);
    // Table of 40 octets, which one entry fills.
    lines(&mut decoder, &[0x3f, 9, 0x40, 4, b'n', b'a', b'm', b'e', 1, b'1']);
    assert_eq!(lines(&mut decoder, &[0x40 | 62, 2, b'2', b'2']), ["name=22"]);
    assert_eq!(lines(&mut decoder, &[0x80 | 62]), ["name=22"]);
    // What does not fit empties it, and is told all the same.
    let long = [&[0x40 | 62, 10][..], b"3333333333"].concat();
    assert_eq!(lines(&mut decoder, &long), ["name=3333333333"]);
    assert_eq!(decode(&mut decoder, &[0x80 | 62]), Err(Failure::Fault(Fault::Index)));
    assert_eq!(decoder.table.size, 0);
    // An entry that fills the table stays; with one octet less it does not.
    for (size, stays) in [(6, true), (5, false)] {
        lines(&mut decoder, &[0x3f, size, 0x40, 4, b'n', b'a', b'm', b'e', 1, b'1']);
        assert_eq!(decode(&mut decoder, &[0x80 | 62]).is_ok(), stays);
    }
}

#[test]
fn the_table_holds_no_more_than_its_size() {
    let mut decoder = Decoder::new(4096);
    for n in 0..5000u32 {
        let text = [&[0x40, 4][..], &n.to_be_bytes(), &[100], &[b'y'; 100]].concat();
        decode(&mut decoder, &text).unwrap();
        let newest = decode(&mut decoder, &[0x80 | 62]).unwrap();
        assert_eq!(newest[0].0, n.to_be_bytes());
    }
    assert!(decoder.heap() < 16 * 1024, "{} {}", decoder.heap(), decoder.text.capacity());
    let huge = [&[0x40, 1, b'x', 127, 0xa1, 0xfe, 0x03][..], &[b'y'; 65440]].concat();
    assert!(decode(&mut decoder, &huge).is_ok());
    let mut coded = Vec::new();
    httlib_huffman::encode(&[b'a'; 60_000], &mut coded).unwrap();
    let length = coded.len() - 127;
    let length = [0xff, length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8];
    assert!(decode(&mut decoder, &[&[0, 1, b'x'][..], &length, &coded].concat()).is_ok());
    assert!(decoder.heap() < 16 * 1024, "{} {}", decoder.heap(), decoder.text.capacity());
}

/// One instruction, encoded.
fn instruction() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(|octets| [vec![octets.len() as u8], octets].concat()),
        vec(prop_oneof![b'a'..=b'z', Just(b'/'), Just(0x1f), Just(0xff)], 0..20).prop_map(|octets| {
            let coded = coded(&octets);
            [vec![0x80 | coded.len() as u8], coded].concat()
        }),
    ];
    let named = (prop_oneof![Just(0x40u8), Just(0), Just(0x10)], 1..15u8, text.clone());
    prop_oneof![
        4 => (1..80u8).prop_map(|index| vec![0x80 | index]),
        2 => named.prop_map(|(kind, index, value)| [vec![kind | index], value].concat()),
        2 => (62..70u8, text.clone()).prop_map(|(index, value)| [if index == 62 { vec![0x7e] } else { vec![0x7f, index - 63] }, value].concat()),
        4 => (prop_oneof![3 => Just(0x40u8), 1 => Just(0), 1 => Just(0x10)], text.clone(), text)
            .prop_map(|(kind, name, value)| [vec![kind], name, value].concat()),
    ]
}

/// In Huffman code, by the codes of another crate.
fn coded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    httlib_huffman::encode(octets, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn another_decoder_reads_the_same(blocks in vec((prop::option::of(0..200u8), vec(instruction(), 1..12)), 1..8)) {
        let (mut ours, mut other) = (Decoder::new(4096), loona_hpack::Decoder::new());
        other.set_max_allowed_table_size(4096);
        for (resize, instructions) in blocks {
            let resize = match resize {
                None => vec![],
                Some(size @ 0..31) => vec![0x20 | size],
                Some(size) => vec![0x3f, 0x80 | (size - 31), 1],
            };
            let block = [resize, instructions.concat()].concat();
            let expected = other.decode(&block);
            let read = decode(&mut ours, &block);
            prop_assert_eq!(read.is_ok(), expected.is_ok(), "{:02x?} {:?} {:?}", block, read, expected);
            let (Ok(read), Ok(expected)) = (read, expected) else { break };
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn anything_at_all_is_survived_and_what_is_read_another_reads_too(blocks in vec(vec(any::<u8>(), 0..80), 1..6)) {
        let (mut ours, mut other) = (Decoder::new(4096), loona_hpack::Decoder::new());
        other.set_max_allowed_table_size(4096);
        for block in blocks {
            let read = decode(&mut ours, &block);
            prop_assert!(ours.heap() < 16 * 1024);
            let Ok(read) = read else { break };
            // The other one refuses a block of nothing but updates.
            let Ok(expected) = other.decode(&block) else {
                prop_assert!(read.is_empty());
                break;
            };
            prop_assert_eq!(read, expected);
        }
    }
}
