//! A TCP peer that writes its own packets, behind a TUN device: it sends what no kernel would.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, poll},
};

use crate::world::run;

pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;

/// One packet; the rest of what it needs is the peer's.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    pub flags: u8,
    pub seq: u32,
    pub tsval: u32,
    pub bytes: &'a [u8],
    /// Added to the right checksum.
    pub wrong_by: u16,
}

pub struct Peer {
    tun: File,
    pub port: u16,
    pub to: u16,
    /// What is sent next, and what was got.
    pub seq: u32,
    pub ack: u32,
    pub tsval: u32,
}

/// The flags, sequence number and acknowledgement of a packet that the host sent.
pub struct Got {
    pub flags: u8,
    pub seq: u32,
}

impl Peer {
    /// In this thread's network namespace, once.
    pub fn new(port: u16, to: u16, isn: u32) -> Self {
        const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
        const TUN_WITHOUT_INFORMATION: u16 = 0x1001;
        let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
        let mut request = [0u8; 40];
        request[..4].copy_from_slice(b"peer");
        request[16..18].copy_from_slice(&TUN_WITHOUT_INFORMATION.to_ne_bytes());
        // SAFETY: an open device, and a struct ifreq of its length.
        let made = unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) };
        assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
        run("ip", &["address", "add", "10.77.0.1/24", "dev", "peer"]);
        run("ip", &["link", "set", "peer", "up"]);
        Self { tun, port, to, seq: isn, ack: 0, tsval: 1000 }
    }

    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(PEER, self.port)
    }

    /// Shakes hands with a listener.
    pub fn connect(&mut self) {
        self.send(Packet { flags: SYN, ..self.next(b"") });
        let answer = self.until(|got| got.flags & (SYN | ACK) == SYN | ACK);
        self.seq = self.seq.wrapping_add(1);
        self.ack = answer.seq.wrapping_add(1);
        self.send(self.next(b""));
    }

    /// What comes next, with these octets.
    pub fn next<'a>(&self, bytes: &'a [u8]) -> Packet<'a> {
        Packet { flags: ACK, seq: self.seq, tsval: self.tsval, bytes, wrong_by: 0 }
    }

    /// Sends it as it should be.
    pub fn say(&mut self, bytes: &[u8]) {
        self.tsval += 1;
        self.send(self.next(bytes));
        self.seq = self.seq.wrapping_add(u32::try_from(bytes.len()).unwrap());
    }

    pub fn send(&mut self, packet: Packet<'_>) {
        let mut tcp = Vec::new();
        tcp.extend(self.port.to_be_bytes());
        tcp.extend(self.to.to_be_bytes());
        tcp.extend(packet.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        // 32 octets with timestamps; a window of 64 KiB, no checksum yet, an urgent pointer where it counts.
        tcp.extend([8 << 4, packet.flags, 0xff, 0xff, 0, 0, 0, u8::from(packet.flags & URG != 0)]);
        tcp.extend([1, 1, 8, 10]);
        tcp.extend(packet.tsval.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(packet.bytes);
        let pseudo =
            [&PEER.octets()[..], &HOST.octets(), &[0, 6], &u16::try_from(tcp.len()).unwrap().to_be_bytes()].concat();
        let checksum = checksum(&[&pseudo[..], &tcp].concat()).wrapping_add(packet.wrong_by);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let mut ip = vec![0x45, 0];
        ip.extend(u16::try_from(20 + tcp.len()).unwrap().to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(PEER.octets());
        ip.extend(HOST.octets());
        let checksum = self::checksum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        ip.extend(tcp);
        self.tun.write_all(&ip).expect("a packet");
    }

    /// The first packet to this port of which `wanted` holds.
    pub fn until(&mut self, wanted: impl Fn(&Got) -> bool) -> Got {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < Duration::from_secs(20), "nothing of the kind came");
            let ready = poll(&mut [PollFd::new(self.tun.as_fd(), PollFlags::POLLIN)], 1000u16).expect("to wait");
            let mut packet = [0; 2048];
            let len = if ready > 0 { self.tun.read(&mut packet).expect("a packet") } else { 0 };
            let packet = &packet[..len];
            if len < 40 || packet[0] != 0x45 || packet[9] != 6 || packet[22..24] != self.port.to_be_bytes() {
                continue;
            }
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            let got = Got { flags: packet[33], seq: word(24) };
            if wanted(&got) {
                self.to = u16::from_be_bytes([packet[20], packet[21]]);
                return got;
            }
        }
    }
}

fn checksum(octets: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for word in octets.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
