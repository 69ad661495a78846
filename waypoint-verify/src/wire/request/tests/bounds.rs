//! Bounds that are just reached, and what memory counts.

use crate::wire::fixture::Feed;

/// More than a stream that has read the same and waits for nothing.
fn grown(play: &dyn Fn(&mut Feed) -> &mut Feed) -> usize {
    let idle = Feed::new().stream.memory();
    let mut feed = Feed::new();
    play(&mut feed);
    assert_eq!(feed.poison(), None);
    feed.stream.memory() - idle
}

#[test]
fn memory_counts_whatever_a_client_may_make_it_hold() {
    let text = "x".repeat(1000);
    let head = format!("GET /{text} HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, half) = (head.as_bytes(), &head.as_bytes()[..1000]);
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let trailer = [b"X: ", text.as_bytes()].concat();
    let acked = |feed: &mut Feed| {
        let followed = feed.stream.followed();
        feed.ack(followed);
    };
    // A head and a trailer section of which the end is missing, also when all of it was acknowledged.
    let torn = grown(&|feed| {
        feed.at(0, half);
        acked(feed);
        feed
    });
    assert!((1000..2100).contains(&torn), "{torn}");
    let trailers = grown(&|feed| {
        feed.at(0, chunked).at(chunked.len() as u64, &trailer);
        acked(feed);
        feed
    });
    assert!((1000..2100).contains(&trailers), "{trailers}");
    // What is not acknowledged, what is doubted, what is ahead of a hole.
    let unacked = grown(&|feed| feed.at(0, head));
    assert!((1000..2100).contains(&unacked), "{unacked}");
    let doubted = grown(&|feed| feed.doubt(1, &head[1..]));
    assert!((1000..2100).contains(&doubted), "{doubted}");
    let ahead = grown(&|feed| feed.at(1, &head[1..]));
    assert!((1000..2100).contains(&ahead), "{ahead}");
    // Many small ones cost more than their octets.
    let many = grown(&|feed| (0..100).fold(feed, |feed, n| feed.at(2 * n + 1, b"x")));
    assert!((100 * 24..100 * 100).contains(&many), "{many}");
    // And nothing of it once it was told and acknowledged.
    let gone = grown(&|feed| {
        feed.doubt(0, head).at(1, &head[1..]).at(0, b"G");
        acked(feed);
        feed
    });
    assert!(gone < 100, "{gone}");
    // The start of another protocol.
    let hello = grown(&|feed| feed.at(0, &[&b"\x16\x03\x01\x10\x00"[..], &[1; 1000]].concat()));
    assert!(hello >= 1000, "{hello}");
}
