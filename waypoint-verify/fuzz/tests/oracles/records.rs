//! Records: decoders that read one field wrongly.

use waypoint_verify::probe::{Record, Side, decode};
use waypoint_verify_fuzz::records::{compare, example};

/// Every kind, by its number.
#[test]
fn any_wrong_number_address_or_payload_is_caught() {
    type Wrong = (u8, &'static str, fn(&mut Record<'_>));
    macro_rules! wrong {
        ($($kind:ident $number:literal: $($field:ident = $value:expr),+;)+) => {
            [$($((
                $number,
                stringify!($kind $field),
                (|record| if let Record::$kind(record) = record { record.$field = $value }) as fn(&mut Record<'_>),
            )),+),+]
        };
    }
    let rows: [Wrong; 25] = wrong! {
        Created 0: ts = 1, tgid = 1, family = 1, comm = waypoint_verify::probe::Comm([1; 16]);
        Opened 1: cookie = 1, client_isn = 1, server_isn = 1, mptcp = true, side = Side::Passive, local = "[::1]:1".parse().unwrap();
        Data 2: cgroup = 1, seq = 1, skipped = 1, bytes = b"other", rcv_nxt = None, listener_owned = true, remote = "1.2.3.4:5".parse().unwrap();
        Note 3: ack = 1, payload_len = 1, unclassified = true;
        Closed 4: bytes_received = 1, old_state = 1;
        Stray 5: state = 1, seq = 1, socket_remote = "1.2.3.4:5".parse().unwrap();
    };
    for (kind, what, how) in rows {
        let octets = example(kind);
        let mut record = decode(&octets).unwrap();
        assert_eq!(compare(&octets, Ok(record)), Ok(()));
        how(&mut record);
        assert!(compare(&octets, Ok(record)).is_err(), "{what} is not compared");
    }
}

#[test]
fn a_decoder_that_takes_what_is_no_record_or_refuses_one_is_caught() {
    let octets = example(3);
    let record = decode(&octets).unwrap();
    let long = [&octets[..], b"x"].concat();
    assert!(compare(&long, Ok(record)).is_err());
    assert!(compare(&octets[..octets.len() - 1], Ok(record)).is_err());
    assert!(compare(&octets, Err(decode(&long).unwrap_err())).is_err());
}
