//! A running probe: who is watched, what may be skipped, and what was seen.

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, MapError},
    programs::ProgramError,
};
use aya_log::EbpfLogger;
use nix::time::{ClockId, clock_gettime};
use tokio::io::{Interest, unix::AsyncFd};
use waypoint_verify_ebpf::map::{self, Counters, Grant, Settings, counter};

use super::{
    Config, Flags, ProbeError, Record,
    attach::{Loaded, PROGRAMS},
    counts::{Drained, Losses, Totals},
    decode::decode,
    error::Hook,
    record::Direction,
    ring::Ring,
    shares::Shares,
};

pub(super) struct Maps {
    pub(super) owners: HashMap<MapData, u64, u32>,
    pub(super) grants: HashMap<MapData, u64, Grant>,
    pub(super) settings: Array<MapData, Settings>,
    pub(super) lost: Array<MapData, map::Losses>,
    pub(super) shares: Shares,
    pub(super) counters: Array<MapData, Counters>,
}

/// The programs, attached and enabled. They are detached when this is dropped, or the process ends in any way.
pub struct Probe {
    ebpf: Ebpf,
    maps: Maps,
    ring: Ring,
    cgroup_root: PathBuf,
    /// Hands on what the programs log: the first few of what should not happen.
    flush_log: Box<dyn FnMut() + Send + Sync>,
    settings: Settings,
    pause: Duration,
    lost: Losses,
    undecodable: u64,
    until_ns: u64,
    drained_at: Option<Instant>,
    readable: Option<AsyncFd<OwnedFd>>,
    statistics: Option<OwnedFd>,
}

/// What a program cost, while [`Probe::measure`] is on.
#[derive(Clone, Copy, Debug)]
pub struct ProgramTime {
    pub hook: Hook,
    pub runs: u64,
    pub time: Duration,
}

impl ProgramTime {
    /// Average per run, in ns; 0 without runs.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an average for people")]
    pub fn average_ns(&self) -> f64 {
        if self.runs == 0 { 0.0 } else { self.time.as_nanos() as f64 / self.runs as f64 }
    }
}

/// A record can be reserved after the reader looked and before it sleeps, by a program that still saw the ring full:
/// nobody wakes the reader then, and this bounds the wait.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// A record that is reserved is written within microseconds, unless its CPU was taken away.
const PATIENCE: Duration = Duration::from_micros(200);

impl Probe {
    /// Loads, attaches and enables the programs.
    ///
    /// # Errors
    /// If any of it fails; nothing stays attached then.
    pub fn start(config: Config) -> Result<Self, ProbeError> {
        Loaded::load(config)?.attach()?.enable()
    }

    pub(super) fn enable(
        mut ebpf: Ebpf,
        maps: Maps,
        ring: Ring,
        settings: Settings,
        config: Config,
    ) -> Result<Self, ProbeError> {
        let mut logger = EbpfLogger::init(&mut ebpf).map_err(|_| ProbeError::Missing("AYA_LOGS"))?;
        let mut probe = Self {
            ebpf,
            maps,
            ring,
            cgroup_root: config.cgroup_root,
            flush_log: Box::new(move || logger.flush()),
            settings,
            pause: config.pause,
            lost: Losses::default(),
            undecodable: 0,
            until_ns: 0,
            drained_at: None,
            readable: None,
            statistics: None,
        };
        probe.write_settings()?;
        Ok(probe)
    }

    /// Sets what is wanted of sockets that were created in this cgroup, or below it where nothing nearer is set.
    ///
    /// # Errors
    /// If the kernel refuses: the map holds 65536 owners.
    pub fn set_owner(&mut self, cgroup: u64, flags: Flags) -> Result<(), ProbeError> {
        self.maps.owners.insert(cgroup, flags.bits(), 0).map_err(in_map(map::OWNERS))?;
        self.bump_generation()
    }

    /// As [`Probe::set_owner`], for many at once.
    ///
    /// # Errors
    /// As [`Probe::set_owner`]; owners before the failing one are set.
    pub fn set_owners(&mut self, owners: impl IntoIterator<Item = (u64, Flags)>) -> Result<(), ProbeError> {
        let outcome = owners.into_iter().try_for_each(|(cgroup, flags)| {
            self.maps.owners.insert(cgroup, flags.bits(), 0).map_err(in_map(map::OWNERS))
        });
        self.bump_generation()?;
        outcome
    }

    /// Forgets a cgroup: its sockets have the owner of the nearest ancestor, or are unclassified. Nothing happens if
    /// it was not set.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn remove_owner(&mut self, cgroup: u64) -> Result<(), ProbeError> {
        removed(self.maps.owners.remove(&cgroup)).map_err(in_map(map::OWNERS))?;
        self.bump_generation()
    }

    /// Sets what is wanted of sockets that no owner covers.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn set_default_flags(&mut self, flags: Flags) -> Result<(), ProbeError> {
        self.settings.default_flags = flags.bits();
        // Before the generation: a program that reads the new one must not cache the old flags under it.
        self.write_settings()?;
        self.bump_generation()
    }

    /// Makes the programs forget what they know of sockets' owners. Changing an owner does so by itself.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn bump_generation(&mut self) -> Result<(), ProbeError> {
        // 0 is what a new socket has.
        self.settings.generation = self.settings.generation.checked_add(1).unwrap_or(1);
        self.write_settings()
    }

    fn write_settings(&mut self) -> Result<(), ProbeError> {
        self.maps.settings.set(0, self.settings, 0).map_err(in_map(map::SETTINGS))
    }

    /// Lets the programs skip bytes of this direction of a socket before sequence number `until`, and copy a window from
    /// there. At most 2^30 ahead of what was seen; a later grant replaces this one, and none is ever taken back.
    ///
    /// # Errors
    /// If the kernel refuses. A grant that is late or lost means that more is copied, or less is beyond the window.
    pub fn grant(&mut self, cookie: u64, direction: Direction, until: u32) -> Result<(), ProbeError> {
        let key = map::grant_key(cookie, direction == Direction::Response);
        self.maps.grants.insert(key, Grant { until }, 0).map_err(in_map(map::GRANTS))
    }

    /// Hands every record that the ring holds to `on`, in the order of their causes.
    ///
    /// # Errors
    /// If the loss counters or the clock cannot be read; the records were handed over.
    pub fn drain(&mut self, mut on: impl FnMut(Record<'_>)) -> Result<Drained, ProbeError> {
        // In this order: what was reserved before this time is before this position.
        let now = boot_ns()?;
        let end = self.ring.end();
        let (mut records, mut bytes, mut undecodable) = (0, 0, 0);
        let mut stuck: Option<Instant> = None;
        while !self.ring.reached(end) {
            let Some(item) = self.ring.items().next() else {
                // Reserved, not written; or only discarded records were left.
                if stuck.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    break;
                }
                std::hint::spin_loop();
                continue;
            };
            stuck = None;
            records += 1;
            bytes += item.len() as u64;
            match decode(&item) {
                Ok(record) => on(record),
                Err(error) => {
                    undecodable += 1;
                    tracing::error!(%error, "a record of the kernel programs cannot be decoded");
                }
            }
        }
        if self.ring.reached(end) {
            self.until_ns = now;
        }
        (self.flush_log)();
        self.undecodable += undecodable;
        self.drained_at = (bytes < self.bulk()).then(Instant::now);
        let total = self.losses()?;
        let (lost, lost_of) = if total == self.lost { Default::default() } else { self.maps.shares.read(total)? };
        self.lost = total;
        Ok(Drained { until_ns: self.until_ns, records, bytes, undecodable, lost, lost_of })
    }

    /// Waits until a drain is worth while: after a small one [`Config::pause`], unless many bytes wait; then at most
    /// `at_most` (or 0.1 s) for the first record. To be called in a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// If the ring cannot be polled.
    pub async fn readable(&mut self, at_most: Duration) -> Result<(), ProbeError> {
        if self.readable.is_none() {
            let ring = self.ring.items().as_fd().try_clone_to_owned().map_err(ProbeError::Ring)?;
            // SAFETY: an OwnedFd of our own: it stays open, and the same, until the AsyncFd is dropped.
            let polled = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
                .map_err(|error| ProbeError::Ring(error.into()))?;
            self.readable = Some(polled);
        }
        let Some(polled) = &self.readable else { return Ok(()) };
        if let Some(drained_at) = self.drained_at {
            let until = tokio::time::Instant::from_std(drained_at + self.pause);
            // The first record after a drain wakes the reader, too.
            while self.ring.waiting() < self.bulk()
                && let Ok(woken) = tokio::time::timeout_at(until, polled.readable()).await
            {
                woken.map_err(ProbeError::Ring)?.clear_ready();
            }
        }
        if self.ring.is_empty()
            && let Ok(woken) = tokio::time::timeout(at_most.min(LONGEST_SLEEP), polled.readable()).await
        {
            woken.map_err(ProbeError::Ring)?.clear_ready();
        }
        Ok(())
    }

    /// So many bytes end the pause.
    fn bulk(&self) -> u64 {
        1 << self.settings.bulk
    }

    /// What was counted since the start.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn totals(&self) -> Result<Totals, ProbeError> {
        let counters = self.maps.counters.get(&0, 0).map_err(in_map(map::COUNTERS))?;
        let count = |counter: u32| counters[counter as usize];
        Ok(Totals {
            lost: self.losses()?,
            undecodable: self.undecodable,
            copy_failed: count(counter::COPY_FAILED),
            unparsable: count(counter::UNPARSABLE),
            fragments: count(counter::FRAGMENT),
            extension_headers: count(counter::EXTENSION_HEADER),
            not_tcp: count(counter::NOT_TCP),
            no_storage: count(counter::NO_STORAGE),
        })
    }

    fn losses(&self) -> Result<Losses, ProbeError> {
        let lost = self.maps.lost.get(&0, 0).map_err(in_map(map::LOST))?;
        Ok(Losses::of(lost))
    }

    /// Forgets what cgroups took of the ring that have been quiet since the last call. Now and then: there is room for
    /// 4096 of them, and those beyond share what one may take.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn forget_idle_owners(&mut self) -> Result<(), ProbeError> {
        self.maps.shares.forget_idle()
    }

    /// Other people's programs on the hooks, in words.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn foreign_programs(&self) -> io::Result<Vec<String>> {
        let own: Vec<u32> =
            PROGRAMS.iter().filter_map(|(_, name)| Some(self.ebpf.program(name)?.info().ok()?.id())).collect();
        let all = super::foreign::programs(&self.cgroup_root)?;
        Ok(all.into_iter().filter(|(id, _)| !own.contains(id)).map(|(_, program)| program).collect())
    }

    /// Lets the kernel measure BPF programs (all of the machine's) as long as the probe runs. Costs some 20 ns per run.
    ///
    /// # Errors
    /// If it refuses.
    pub fn measure(&mut self) -> Result<(), ProbeError> {
        let enabled =
            aya::sys::enable_stats(aya::sys::Stats::RunTime).map_err(|error| ProbeError::Statistics(error.io_error))?;
        self.statistics = Some(enabled);
        Ok(())
    }

    /// What each program has cost since [`Probe::measure`].
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn program_times(&self) -> Result<Vec<ProgramTime>, ProbeError> {
        PROGRAMS
            .iter()
            .map(|(hook, name)| {
                let program = self.ebpf.program(name).ok_or(ProbeError::Missing(name))?;
                let info = program.info().map_err(|error| ProbeError::Statistics(io_error(error)))?;
                Ok(ProgramTime { hook: *hook, runs: info.run_count(), time: info.run_time() })
            })
            .collect()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").field("until_ns", &self.until_ns).field("lost", &self.lost).finish_non_exhaustive()
    }
}

fn in_map(name: &'static str) -> impl Fn(MapError) -> ProbeError {
    move |error| ProbeError::Map { name, error }
}

/// What was not there need not be removed.
fn removed(outcome: Result<(), MapError>) -> Result<(), MapError> {
    match outcome {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn io_error(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}

/// `CLOCK_BOOTTIME`, the clock of the records' `ts`.
///
/// # Errors
/// If it cannot be read.
pub fn boot_ns() -> Result<u64, ProbeError> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(|errno| ProbeError::Ring(errno.into()))?;
    let (seconds, ns) = (now.tv_sec().cast_unsigned(), now.tv_nsec().cast_unsigned());
    Ok(seconds * 1_000_000_000 + ns)
}
