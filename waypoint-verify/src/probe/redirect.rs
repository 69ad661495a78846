//! BPF programs that hand octets from socket to socket, past every IP hook and the kernel's own counters.

use std::io;

use aya::maps::loaded_maps;
use aya::programs::loaded_programs;

/// `enum bpf_prog_type` and `enum bpf_map_type` of include/uapi/linux/bpf.h, which aya does not export.
const PROGRAMS: [(u32, &str); 2] = [(14, "sk_skb"), (16, "sk_msg")];
const MAPS: [(u32, &str); 2] = [(15, "sockmap"), (18, "sockhash")];

/// What can redirect, in words: `sk_msg steal (id 7)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirections {
    /// While one of these is loaded, what a socket reads may have come unseen.
    pub programs: Vec<String>,
    /// Of no use without such a program; they tell that somebody means to load one.
    pub maps: Vec<String>,
}

/// Lists them. Needs CAP_SYS_ADMIN.
///
/// # Errors
/// If the kernel does not let it.
pub fn redirections() -> io::Result<Redirections> {
    let mut found = Redirections::default();
    for program in loaded_programs() {
        let program = program.map_err(io::Error::other)?;
        if let Some((_, kind)) = PROGRAMS.iter().find(|(kind, _)| *kind == program.program_type() as u32) {
            found.programs.push(format!("{kind} {} (id {})", program.name_as_str().unwrap_or_default(), program.id()));
        }
    }
    for map in loaded_maps() {
        // One that goes while it is looked at is none.
        let Ok(map) = map else { continue };
        if let Ok(map_type) = map.map_type()
            && let Some((_, kind)) = MAPS.iter().find(|(kind, _)| *kind == map_type as u32)
        {
            found.maps.push(format!("{kind} {} (id {})", map.name_as_str().unwrap_or_default(), map.id()));
        }
    }
    Ok(found)
}
