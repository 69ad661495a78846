//! Cgroups and a network namespace of our own, and traffic in them.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, unshare};
use waypoint_verify::probe::{
    Closed, Config, Created, Data, Drained, Flags, Note, Opened, Other, Probe, Record, Side, Stray, cgroup2_root,
};

/// A cgroup is a property of the process, so that worlds follow one another.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `test` in a world of its own: at a desk without root not at all, in CI always.
pub fn in_a_world(test: impl FnOnce(&World) + Send) {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "privileged tests need root");
        eprintln!("skipped: it loads BPF programs and makes namespaces, which needs root");
        return;
    }
    let _turn = turn();
    thread::scope(|scope| {
        let lab = scope.spawn(|| {
            // Of this thread and those it starts; gone with the last of them.
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            run("ip", &["link", "set", "lo", "up"]);
            test(&World { root: Cgroup::new() });
        });
        if let Err(panic) = lab.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{program} {arguments:?}: {status:?}");
}

pub struct World {
    /// The probe is attached here: no other process' traffic is below.
    pub root: Cgroup,
}

impl World {
    pub fn config(&self) -> Config {
        Config { cgroup_root: self.root.path.clone(), default_flags: Flags::NONE, ..Config::default() }
    }

    pub fn probe(&self, config: Config) -> Probe {
        assert_eq!(config.cgroup_root, self.root.path);
        Probe::start(config).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A cgroup that is removed when it is dropped.
pub struct Cgroup {
    pub path: PathBuf,
    pub id: u64,
}

impl Cgroup {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wv-probe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self::make(&cgroup2_root().expect("cgroup v2").join(name))
    }

    pub fn child(&self, name: &str) -> Self {
        Self::make(&self.path.join(name))
    }

    fn make(path: &Path) -> Self {
        fs::create_dir(path).expect("a cgroup");
        Self { path: path.to_owned(), id: fs::metadata(path).expect("its inode").ino() }
    }

    /// Runs `create` as a process of this cgroup: the sockets it makes are of this cgroup for ever.
    pub fn within<T>(&self, create: impl FnOnce() -> T) -> T {
        enter(&self.path);
        let made = create();
        enter(&cgroup2_root().expect("cgroup v2"));
        made
    }

    pub fn listen(&self, address: &str) -> TcpListener {
        self.within(|| TcpListener::bind(address).expect(address))
    }

    pub fn connect(&self, address: SocketAddr) -> TcpStream {
        self.within(|| TcpStream::connect(address).expect("a connection"))
    }
}

fn enter(cgroup: &Path) {
    fs::write(cgroup.join("cgroup.procs"), "0").expect("to enter a cgroup");
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if let Ok(root) = cgroup2_root() {
            let _ = fs::write(root.join("cgroup.procs"), "0");
        }
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("{} stays: {error}", self.path.display());
        }
    }
}

/// A connection between a client's and a server's cgroup.
pub struct Connection {
    pub client: TcpStream,
    pub server: TcpStream,
}

impl Connection {
    pub fn open(client: &Cgroup, listener: &TcpListener) -> Self {
        let client = client.connect(listener.local_addr().expect("an address"));
        let (server, _) = listener.accept().expect("a connection");
        for end in [&client, &server] {
            end.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        }
        Self { client, server }
    }

    /// Sends `bytes` to the server, which reads them all meanwhile.
    pub fn request(&mut self, bytes: &[u8]) {
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut got = vec![0; bytes.len()];
                self.server.read_exact(&mut got).expect("the request");
                got
            });
            self.client.write_all(bytes).expect("to send");
            assert!(reader.join().expect("the reader") == bytes, "the server read something else");
        });
    }

    /// Sends `bytes` to the client, which reads them all meanwhile.
    pub fn respond(&mut self, bytes: &[u8]) {
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut got = vec![0; bytes.len()];
                self.client.read_exact(&mut got).expect("the response");
                got
            });
            self.server.write_all(bytes).expect("to send");
            assert!(reader.join().expect("the reader") == bytes, "the client read something else");
        });
    }

    /// The client closes first, and both ends are told.
    pub fn close(self) {
        let Self { client, mut server } = self;
        drop(client);
        let rest = server.read_to_end(&mut Vec::new());
        assert!(matches!(rest, Ok(0)), "{rest:?}");
    }
}

/// Records, kept.
#[derive(Debug, Default)]
pub struct Seen {
    pub created: Vec<Created>,
    pub opened: Vec<Opened>,
    pub data: Vec<(Data<'static>, Vec<u8>)>,
    /// TCP headers of the data, by their times.
    headers: BTreeMap<u64, Vec<u8>>,
    pub notes: Vec<Note>,
    pub closed: Vec<Closed>,
    pub strays: Vec<Stray>,
    pub others: Vec<Other>,
    pub lost: u64,
}

impl Seen {
    pub fn drain(&mut self, probe: &mut Probe) -> Drained {
        let drained = probe.drain(|record| self.keep(record)).expect("a drain");
        assert_eq!(drained.undecodable, 0);
        self.lost += drained.lost.records() + drained.lost_of.iter().map(|of| of.lost.records()).sum::<u64>();
        drained
    }

    pub fn header(&self, ts: u64) -> &[u8] {
        self.headers.get(&ts).map_or(&[], Vec::as_slice)
    }

    fn keep(&mut self, record: Record<'_>) {
        match record {
            Record::Created(created) => self.created.push(created),
            Record::Opened(opened) => self.opened.push(opened),
            Record::Data(data) => {
                self.headers.insert(data.ts, data.header.to_vec());
                self.data.push((Data { bytes: &[], header: &[], ..data }, data.bytes.to_vec()));
            }
            Record::Note(note) => self.notes.push(note),
            Record::Closed(closed) => self.closed.push(closed),
            Record::Stray(stray) => self.strays.push(stray),
            Record::Other(other) => self.others.push(other),
        }
    }

    /// Drains until `enough`, with bounded patience.
    pub fn until(&mut self, probe: &mut Probe, what: &str, enough: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        loop {
            self.drain(probe);
            if enough(self) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no {what} in {self:#?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn opening(&self, side: Side) -> Opened {
        *self.opened.iter().find(|opened| opened.side == side).expect("an opening")
    }

    pub fn closing(&self, side: Side) -> Closed {
        *self.closed.iter().find(|closed| closed.side == side).expect("a closing")
    }

    /// The stream that this socket's records of `direction` make up from `first` on, and where it ends.
    pub fn stream(&self, cookie: u64, direction: waypoint_verify::probe::Direction, first: u32) -> Vec<u8> {
        let mut stream = Vec::new();
        let wanted = |data: &Data<'_>| data.cookie == cookie && data.direction == direction;
        for (data, bytes) in self.data.iter().filter(|(data, bytes)| wanted(data) && !bytes.is_empty()) {
            let at = data.seq.wrapping_add(data.skipped).wrapping_sub(first) as usize;
            if stream.len() < at + bytes.len() {
                stream.resize(at + bytes.len(), 0);
            }
            stream[at..at + bytes.len()].copy_from_slice(bytes);
        }
        stream
    }
}

/// Bytes that are not the same anywhere within reach of a mistake.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len.div_ceil(8) as u64)
        .flat_map(|word| (word.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .take(len)
        .collect()
}
