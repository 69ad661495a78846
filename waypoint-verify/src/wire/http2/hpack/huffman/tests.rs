//! Against the tables of two other crates.

use proptest::prelude::*;

use super::decode;

fn decoded(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    decode(raw, &mut out).ok()?;
    Some(out.split_off(6))
}

#[test]
fn every_symbol_has_the_code_of_the_rfc() {
    for symbol in 0..=255u8 {
        let text = [b'a', symbol, symbol, b'0'];
        let mut raw = Vec::new();
        httlib_huffman::encode(&text, &mut raw).unwrap();
        assert_eq!(decoded(&raw), Some(text.to_vec()), "{symbol}");
    }
    assert_eq!(decoded(b""), Some(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn another_decoder_says_the_same(raw in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xffu8), 0xf8u8..=0xff], 0..12)) {
        let expected = loona_hpack::huffman::HuffmanDecoder::new().decode(&raw).ok();
        prop_assert_eq!(decoded(&raw), expected);
    }
}
