//! What an engine says of what it cannot have seen: connections older than it, and ways past its probes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::TcpListener,
    os::fd::OwnedFd,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};
use waypoint_verify::{
    engine::{Engine, Options},
    judge::Judged,
    model::{CompiledPolicy, ContainerRef, NamespacedName, PodRef, WatchList},
};

use crate::world::{Cgroup, Connection, World, in_a_world};

const UID: &str = "0a1b2c3d-1111-4222-8333-444455556666";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: target\r\n\r\n";

/// A protected pod: its cgroup, a process in it that has its listening socket, and the client's cgroup.
struct Cluster {
    container: String,
    listener: TcpListener,
    process: Child,
    client: Cgroup,
    // Dropped in this order: a cgroup goes before the one that it is in.
    _target: Cgroup,
    _parents: [Cgroup; 2],
}

impl Cluster {
    fn new(world: &World) -> Self {
        let pods = world.root.child("kubepods");
        let pod = pods.child(&format!("pod{UID}"));
        let container = "ab".repeat(32);
        let target = pod.child(&container);
        let listener = target.listen("127.0.0.1:0");
        // The descriptor's copy is inherited.
        let inherited: OwnedFd = nix::unistd::dup(&listener).expect("a copy");
        let process = target.within(|| Command::new("sleep").arg("600").spawn().expect("a process"));
        drop(inherited);
        let client = world.root.child("client");
        Self { container, listener, process, client, _target: target, _parents: [pod, pods] }
    }

    fn watch(&self) -> WatchList {
        let name = |name: &str| NamespacedName { namespace: "hello".into(), name: name.into() };
        let pod = PodRef { namespace: "hello".into(), name: "target".into(), uid: UID.into() };
        let container = ContainerRef { node: "node-1".into(), pod, name: "target".into(), id: self.container.clone() };
        let policy = CompiledPolicy {
            name: name("policy"),
            targets: BTreeSet::from([UID.to_owned()]),
            waypoint: BTreeSet::new(),
            via: Vec::new(),
            entry: None,
            exempt: Vec::new(),
            window: Duration::from_secs(600),
        };
        WatchList {
            containers: BTreeMap::from([(self.container.clone(), Arc::new(container))]),
            pods: BTreeMap::from([(UID.to_owned(), (name("target"), "node-1".to_owned()))]),
            protected: policy.targets.clone(),
            policies: vec![Arc::new(policy)],
            ..WatchList::default()
        }
    }

    fn engine(&self, world: &World) -> Engine {
        let options = Options { probe: world.config(), ..Options::default() };
        Engine::start(self.watch(), options).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.client, &self.listener)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Steps until so many verdicts were given; then as often again as shows that no more come.
fn verdicts(engine: &mut Engine, judged: &mut Vec<Judged>, count: usize) -> Vec<String> {
    let start = Instant::now();
    while judged.len() < count {
        engine.step(judged).unwrap();
        assert!(start.elapsed() < Duration::from_secs(20), "only {judged:?}");
    }
    for _ in 0..5 {
        engine.step(judged).unwrap();
    }
    judged.iter().map(|judged| judged.verdict.to_string()).collect()
}

#[test]
fn connections_older_than_the_engine_are_unverified_and_told_once() {
    in_a_world(|world| {
        let cluster = Cluster::new(world);
        let mut older = [cluster.connect(), cluster.connect()];
        // Read by a former engine, which is gone: nothing of what it knew is.
        let mut former = cluster.engine(world);
        let mut judged = Vec::new();
        assert_eq!(verdicts(&mut former, &mut judged, 2), ["Unverified(predatesAgent)"; 2]);
        let mut between = cluster.connect();
        between.request(REQUEST);
        assert_eq!(verdicts(&mut former, &mut judged, 3).len(), 3);
        between.client.write_all(&REQUEST[..10]).unwrap();
        drop(former);

        let mut engine = cluster.engine(world);
        let mut judged = Vec::new();
        let expected = ["Unverified(predatesAgent)"; 3];
        assert_eq!(verdicts(&mut engine, &mut judged, 3), expected, "idle ones, and one in the middle of a request");
        // The rest of a request that began before, and whole ones.
        between.client.write_all(&REQUEST[10..]).unwrap();
        older.iter_mut().for_each(|connection| connection.request(REQUEST));
        assert_eq!(verdicts(&mut engine, &mut judged, 3), expected, "data tell nothing new of them");
        assert_eq!(engine.observed().counters().predating_connections, 3);
        let mut newer = cluster.connect();
        newer.request(REQUEST);
        let told = verdicts(&mut engine, &mut judged, 4);
        assert!(told.iter().all(|verdict| verdict != "Verified"), "{told:?}");
        assert!(!told[3].contains("predates"), "{told:?}");
    });
}

#[test]
fn packet_sockets_in_a_protected_pods_network_are_a_gap() {
    in_a_world(|world| {
        let cluster = Cluster::new(world);
        let _sniffer = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None).unwrap();
        let mut engine = cluster.engine(world);
        let mut judged = Vec::new();
        assert_eq!(verdicts(&mut engine, &mut judged, 1), ["Unverified(notCovered)"]);
        let findings = engine.observer().take_new_findings();
        let told = findings.iter().filter(|finding| finding.contains("AF_PACKET") && finding.contains("hello/target"));
        assert_eq!(told.count(), 1, "{findings:?}");
    });
}

#[test]
fn nothing_is_believed_while_a_program_can_redirect_octets() {
    in_a_world(|world| {
        let cluster = Cluster::new(world);
        let program = load_sk_msg();
        let mut engine = cluster.engine(world);
        let mut judged = Vec::new();
        engine.step(&mut judged).unwrap();
        let findings = engine.observer().take_new_findings();
        assert!(findings.iter().any(|finding| finding.contains("sk_msg redirects")), "{findings:?}");
        let mut connection = cluster.connect();
        connection.request(REQUEST);
        let told = verdicts(&mut engine, &mut judged, 1);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(engine.observed().counters().arrivals == 0, "what came over it is not told apart");
        drop(program);
    });
}

/// The least program that could redirect: `return 1`.
fn load_sk_msg() -> OwnedFd {
    const BPF_PROG_LOAD: i64 = 5;
    const SK_MSG: u32 = 16;
    // r0 = 1; exit.
    let instructions: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
    let license = c"GPL";
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log: [u32; 2],
        log_buffer: u64,
        version: u32,
        flags: u32,
        name: [u8; 16],
    }
    let attributes = Load {
        kind: SK_MSG,
        count: 2,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log: [0; 2],
        log_buffer: 0,
        version: 0,
        flags: 0,
        name: *b"redirects\0\0\0\0\0\0\0",
    };
    // SAFETY: the start of union bpf_attr, whose pointers live through the call; the descriptor is owned at once.
    unsafe {
        let fd = libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size_of::<Load>());
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        std::os::fd::FromRawFd::from_raw_fd(i32::try_from(fd).unwrap())
    }
}

#[test]
fn an_engine_that_is_killed_under_load_leaves_its_successor_nothing_to_believe() {
    in_a_world(|world| {
        let cluster = Cluster::new(world);
        let stop = AtomicBool::new(false);
        // Keep-alive connections whose requests go on all the time.
        let mut open: Vec<_> = (0..4).map(|_| cluster.connect()).collect();
        std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let start = Instant::now();
                while !stop.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(120) {
                    open.iter_mut().for_each(|connection| connection.request(REQUEST));
                }
            });
            for _ in 0..5 {
                let mut engine = cluster.engine(world);
                let mut judged = Vec::new();
                let told = verdicts(&mut engine, &mut judged, 4);
                assert_eq!(told, ["Unverified(predatesAgent)"; 4]);
                // Dropped in the middle of it: programs and maps go, as they do with a killed process (`life`).
            }
            stop.store(true, Ordering::Relaxed);
            load.join().unwrap();
        });
    });
}
