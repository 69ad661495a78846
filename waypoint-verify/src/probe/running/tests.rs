//! What needs the programs themselves; `tests/probe.rs` has the rest.

use std::{fs, os::fd::AsRawFd, path::PathBuf};

use aya::programs::{CgroupSkb, TestRun, TestRunOptions};
use nix::libc;

use super::*;
use crate::probe::cgroup2_root;

/// A cgroup of our own, or none at a desk without root.
struct Place(PathBuf);

impl Place {
    fn make(name: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "privileged tests need root");
            eprintln!("skipped: it loads BPF programs, which needs root");
            return None;
        }
        let path = cgroup2_root().unwrap().join(format!("wv-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Some(Self(path))
    }

    fn config(&self) -> Config {
        Config { cgroup_root: self.0.clone(), ..Config::default() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_probe_can_live_in_a_task() {
    fn sendable<T: Send>() {}
    sendable::<Probe>();
}

#[test]
fn whatever_the_packet_it_passes() {
    let Some(place) = Place::make("pass") else { return };
    let probe = Probe::start(place.config()).unwrap_or_else(|error| panic!("{error}"));
    let ipv4 = |protocol: u8| {
        let mut packet = vec![0; 34];
        packet[12..14].copy_from_slice(&[0x08, 0x00]);
        packet[14] = 0x45;
        packet[23] = protocol;
        packet
    };
    let ipv6 = |next: u8| {
        let mut packet = vec![0; 54];
        packet[12..14].copy_from_slice(&[0x86, 0xdd]);
        packet[14] = 0x60;
        packet[20] = next;
        packet
    };
    let with = |mut packet: Vec<u8>, rest: &[u8]| {
        packet.extend_from_slice(rest);
        packet
    };
    let rows = [
        ipv4(0),
        with(ipv4(6), &[]),
        with(ipv4(6), &[0xff; 13]),
        with(ipv4(6), &[0xff; 60]),
        with(ipv4(17), b"QUIC or DNS"),
        ipv6(59),
        with(ipv6(0), &[0xff; 40]),
        with(ipv6(6), &[0; 20]),
        with(ipv6(44), &[0; 64]),
    ];
    for name in ["skb_ingress", "skb_egress"] {
        let program: &CgroupSkb = probe.ebpf.program(name).unwrap().try_into().unwrap();
        for packet in &rows {
            let mut options = TestRunOptions::new();
            options.data_in = Some(packet);
            let result = program.test_run(options).unwrap_or_else(|error| panic!("{name} {packet:02x?}: {error}"));
            assert_eq!(result.return_value, 1, "{name} {packet:02x?}");
        }
    }
}

#[test]
fn a_hook_that_another_program_holds_is_named() {
    let Some(place) = Place::make("held") else { return };
    let other = Place::make("other").unwrap();
    let foreign = Probe::start(other.config()).unwrap_or_else(|error| panic!("{error}"));
    let program: &CgroupSkb = foreign.ebpf.program("skb_egress").unwrap().try_into().unwrap();
    let cgroup = fs::File::open(&place.0).unwrap();
    // As a program from before links would attach: flags 0 is exclusive. It goes with the cgroup.
    const BPF_PROG_ATTACH: i64 = 8;
    const BPF_CGROUP_INET_EGRESS: u32 = 1;
    let fd = |fd: i32| fd.cast_unsigned();
    let attributes = [fd(cgroup.as_raw_fd()), fd(program.fd().unwrap().as_fd().as_raw_fd()), BPF_CGROUP_INET_EGRESS, 0];
    // SAFETY: the start of union bpf_attr, of the length that is said.
    let done = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, (&raw const attributes).cast::<u8>(), size_of_val(&attributes))
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    let refused = Probe::start(place.config());
    assert!(matches!(refused, Err(ProbeError::HookHeld { hook: Hook::Egress, .. })), "{refused:?}");
}
