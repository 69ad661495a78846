//! Starting, waiting, and letting go.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use waypoint_verify::probe::{Config, Flags, Probe, ProbeError, Status, preflight};

use crate::world::{Connection, Seen, in_a_world, pattern};

const HOLD: &str = "WAYPOINT_VERIFY_TEST_HOLD";

#[test]
fn this_machine_passes_the_preflight() {
    in_a_world(|world| {
        for finding in preflight(&world.config()) {
            assert!(finding.status != Status::Failed, "{finding:?}");
        }
        assert_eq!(attached(&world.root.path), 0, "and nothing stays attached");
    });
}

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    in_a_world(|world| {
        let not_a_power = Probe::start(Config { ring_bytes: 5000, ..world.config() });
        assert!(matches!(not_a_power, Err(ProbeError::RingSize(5000))), "{not_a_power:?}");
        for path in ["/tmp", "/nowhere"] {
            let no_cgroup = Probe::start(Config { cgroup_root: path.into(), ..world.config() });
            assert!(matches!(no_cgroup, Err(ProbeError::CgroupRoot { .. })), "{path}: {no_cgroup:?}");
        }
        assert_eq!(attached(&world.root.path), 0);
    });
}

#[test]
fn two_probes_coexist_and_a_drop_detaches() {
    in_a_world(|world| {
        let (mut one, mut two) = (world.probe(world.config()), world.probe(world.config()));
        assert_eq!(attached(&world.root.path), 8);
        let listener = world.root.listen("127.0.0.1:0");
        Connection::open(&world.root, &listener).close();
        for probe in [&mut one, &mut two] {
            Seen::default().until(probe, "two closes", |seen| seen.closed.len() == 2);
        }
        drop(one);
        assert_eq!(attached(&world.root.path), 4);
        drop(two);
        assert_eq!(attached(&world.root.path), 0);
    });
}

#[test]
fn a_killed_process_leaves_nothing_attached() {
    in_a_world(|world| {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "life::hold_a_probe", "--ignored", "--nocapture"])
            .env(HOLD, &world.root.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(holder.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line.contains("holding")), "it never started");
        assert_eq!(attached(&world.root.path), 4);
        holder.kill().unwrap();
        holder.wait().unwrap();
        let killed = Instant::now();
        while attached(&world.root.path) != 0 {
            assert!(killed.elapsed() < Duration::from_secs(5), "still attached");
            thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
#[ignore = "started by a_killed_process_leaves_nothing_attached"]
fn hold_a_probe() {
    let Some(path) = std::env::var_os(HOLD) else { return };
    let _probe = Probe::start(Config { cgroup_root: path.into(), ..Config::default() }).unwrap();
    println!("\nholding");
    loop {
        thread::park();
    }
}

#[test]
fn a_drain_covers_everything_up_to_its_time() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let (mut until, mut last) = (0, 0);
        for _ in 0..100 {
            let mut connection = Connection::open(&world.root, &listener);
            connection.request(b"GET / HTTP/1.1\r\n\r\n");
            let mut seen = Seen::default();
            let drained = seen.drain(&mut probe);
            let early = seen.data.iter().filter(|(data, _)| data.ts <= until).count();
            assert_eq!(early, 0, "a record of before {until} came late");
            last = seen.data.iter().map(|(data, _)| data.ts).max().unwrap_or(last);
            assert!(drained.until_ns >= last, "{drained:?}, {last}");
            until = drained.until_ns;
        }
    });
}

#[test]
fn a_reader_that_pauses_is_woken_by_much_and_not_by_little() {
    const LONG: Duration = Duration::from_secs(3600);
    in_a_world(|world| {
        let mut probe = world.probe(Config { pause: LONG, ..world.config() });
        probe.set_owner(world.root.id, Flags::ENTRIES).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut connection = Connection::open(&world.root, &listener);
        Seen::default().drain(&mut probe);
        connection.request(b"GET / HTTP/1.1\r\n\r\n");
        let mut wait = |within| runtime.block_on(async { tokio::time::timeout(within, probe.readable(LONG)).await });
        let little = wait(Duration::from_millis(50));
        assert!(little.is_err(), "{little:?}");
        thread::scope(|scope| {
            // Most of it while the reader waits already; it must be woken wherever it is by then.
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                connection.request(&pattern(1 << 20));
            });
            let much = wait(Duration::from_secs(60));
            assert!(matches!(much, Ok(Ok(()))), "{much:?}");
        });
    });
}

#[test]
fn a_sleeping_reader_is_woken() {
    in_a_world(|world| {
        let mut probe = world.probe(world.config());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = world.root.listen("127.0.0.1:0");
        let mut seen = Seen::default();
        seen.drain(&mut probe);
        for _ in 0..20 {
            let woken = runtime.block_on(async {
                let start = Instant::now();
                let address = listener.local_addr().unwrap();
                let traffic = thread::spawn(move || {
                    thread::sleep(Duration::from_millis(10));
                    (Instant::now(), std::net::TcpStream::connect(address))
                });
                while probe.drain(|_| {}).unwrap().records == 0 {
                    probe.readable(Duration::from_secs(1)).await.unwrap();
                    assert!(start.elapsed() < Duration::from_secs(10), "nobody woke the reader");
                }
                let now = Instant::now();
                now.duration_since(traffic.join().unwrap().0)
            });
            assert!(woken < Duration::from_millis(90), "only the bounded sleep ended: {woken:?}");
            let _ = listener.accept();
        }
    });
}

/// How many programs are attached to a cgroup, as bpftool sees it.
fn attached(cgroup: &Path) -> usize {
    let output = Command::new("bpftool").args(["cgroup", "show"]).arg(cgroup).output().expect("bpftool");
    String::from_utf8_lossy(&output.stdout).lines().skip(1).count()
}
