//! What the programs cost per packet. Run with `--ignored --nocapture`; it asserts only what holds on any machine: a packet
//! of a socket that nobody watches costs less than half of one whose payload is copied. (`cargo xtask bench` has nanoseconds.)

use std::io::{Read, Write};

use waypoint_verify::probe::{Config, Flags, Hook};

use crate::world::{Connection, in_a_world};

#[test]
#[ignore = "a measurement"]
fn cost_per_packet() {
    in_a_world(|world| {
        let rows = [
            ("unwatched", Flags::NONE),
            ("entries", Flags::ENTRIES),
            ("departures", Flags::DEPARTURES),
            ("everything", Flags::ENTRIES | Flags::DEPARTURES | Flags::RESPONSES),
        ];
        let mut packets = Vec::new();
        for (what, flags) in rows {
            let mut probe = world.probe(Config { window: 1 << 30, ..world.config() });
            probe.set_owner(world.root.id, flags).unwrap();
            let listener = world.root.listen("127.0.0.1:0");
            let Connection { mut client, mut server } = Connection::open(&world.root, &listener);
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let echo = std::thread::spawn(move || {
                let mut request = [0; 82];
                while server.read_exact(&mut request).is_ok() && server.write_all(&request).is_ok() {}
            });
            probe.measure().unwrap();
            for round in 0..100_000 {
                let mut response = [0; 82];
                client.write_all(&[b'x'; 82]).unwrap();
                client.read_exact(&mut response).unwrap();
                if round % 1000 == 0 {
                    probe.drain(|_| {}).unwrap();
                }
            }
            drop(client);
            echo.join().unwrap();
            for time in probe.program_times().unwrap() {
                println!("{what:12} {:20} {:8} runs {:7.1} ns", time.hook.to_string(), time.runs, time.average_ns());
                packets.push((what, time));
            }
            println!("{what:12} lost {}", probe.totals().unwrap().lost.records());
        }
        for hook in [Hook::Ingress, Hook::Egress] {
            let cost = |of| {
                let (_, time) =
                    packets.iter().find(|(what, time)| *what == of && time.hook == hook).expect("was measured");
                assert!(time.runs >= 100_000, "{of} {time:?}");
                time.average_ns()
            };
            assert!(cost("unwatched") * 2.0 < cost("everything"), "{hook}: {packets:?}");
        }
    });
}
