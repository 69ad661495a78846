//! Bounds of heads, chunk lines and trailers: what is one octet too much, and what is just right.

use super::*;

#[test]
fn heads_chunk_lines_and_trailers_are_bounded() {
    let small = Settings { max_head: 60, max_fields: 3, max_chunk_line: 10, ..Settings::default() };
    let chunked = "POST / HTTP/1.1\r\nHost:\r\nTransfer-Encoding:chunked\r\n\r\n";
    let rows: &[(String, Bound)] = &[
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(60)), Bound::HeadTooLarge),
        (format!("GET /{}", "x".repeat(60)), Bound::HeadTooLarge),
        ("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n".into(), Bound::TooManyFields),
        (format!("{chunked}1;{}\r\n", "x".repeat(20)), Bound::ChunkLine),
        (format!("{chunked}{}\r\n", "0".repeat(20)), Bound::ChunkLine),
        (format!("{chunked}0\r\nX: {}", "x".repeat(80)), Bound::TrailersTooLarge),
    ];
    for (octets, bound) in rows {
        let mut feed = Feed::with(&small);
        feed.at(0, octets.as_bytes());
        assert_eq!(feed.poison(), Some((0, Poison::Bound(*bound))), "{octets:?}");
        assert!(feed.stream.memory() < 600, "what it held is freed");
    }
}

#[test]
fn what_is_just_as_large_as_its_bound_is_read_and_one_more_is_refused() {
    let large = Settings { max_head: 4000, max_fields: 100, max_chunk_line: 100, ..Settings::default() };
    let heads = |octets: usize| Settings { max_head: u32::try_from(octets).unwrap(), ..large.clone() };
    let fields = |max_fields: u16| Settings { max_fields, ..large.clone() };
    let lines = |max_chunk_line: u16| Settings { max_chunk_line, ..large.clone() };
    let chunked = |chunks: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let get = "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n".to_owned();
    let trailers = format!("X: {}\r\n\r\n", "x".repeat(100));
    let trailed = chunked(&format!("0\r\n{trailers}"));
    // (what comes, what just allows it, what does not, how it is refused)
    let rows = [
        (get.clone(), heads(get.len()), heads(get.len() - 1), Bound::HeadTooLarge),
        (get, fields(3), fields(2), Bound::TooManyFields),
        (chunked("0005\r\nabcde\r\n0\r\n\r\n"), lines(4), lines(3), Bound::ChunkLine),
        (chunked("05;ab\r\nabcde\r\n0\r\n\r\n"), lines(5), lines(4), Bound::ChunkLine),
        (trailed.clone(), heads(trailers.len()), heads(trailers.len() - 1), Bound::TrailersTooLarge),
        (chunked("0\r\nX:\r\nY:\r\nZ:\r\n\r\n"), fields(3), fields(2), Bound::TooManyFields),
    ];
    for (octets, allows, refuses, why) in rows {
        for piece in [octets.len(), 7, 1] {
            let fed = |settings: &Settings| {
                let mut feed = Feed::with(settings);
                for (n, bytes) in octets.as_bytes().chunks(piece).enumerate() {
                    feed.at((n * piece) as u64, bytes);
                }
                feed
            };
            let read = fed(&allows);
            assert_eq!((read.poison(), read.ends().len()), (None, 1), "{piece} {octets:?}");
            assert_eq!(fed(&refuses).poison(), Some((0, why.into())), "{piece} {octets:?}");
        }
    }
}
