//! Whose records were lost: the shares of the ring that cgroups take, as the programs keep them.

use aya::maps::{HashMap, MapData, MapError};
use rustc_hash::FxHashMap;
use waypoint_verify_ebpf::map::{self, NOBODY, Share};

use super::{
    ProbeError,
    counts::{Losses, LostOf},
};

/// Cgroups that userspace reads at once when records were lost.
pub(super) struct Shares {
    map: HashMap<MapData, u64, Share>,
    /// What was told of each.
    told: FxHashMap<u64, Told>,
    /// All that was told of cgroups, and what the total had beyond it.
    sum: Losses,
    missing: Losses,
}

#[derive(Clone, Copy, Default)]
struct Told {
    lost: Losses,
    refused: u64,
    /// The mark at the last look: of one that it did not move of, nothing has come since.
    mark: u64,
}

impl Shares {
    pub(super) fn new(mut map: HashMap<MapData, u64, Share>) -> Result<Self, ProbeError> {
        map.insert(NOBODY, Share::default(), 0).map_err(in_map)?;
        Ok(Self { map, told: FxHashMap::default(), sum: Losses::default(), missing: Losses::default() })
    }

    /// What was lost since the last time, by whose it was; `total` is all that was lost until now, read before.
    /// What is nobody's may be everybody's, and comes first.
    pub(super) fn read(&mut self, total: Losses) -> Result<(Losses, Vec<LostOf>), ProbeError> {
        let mut nobodys = Losses::default();
        let mut found = Vec::new();
        for item in self.map.iter() {
            let (cgroup, share) = item.map_err(in_map)?;
            let told = self.told.entry(cgroup).or_default();
            let lost = Losses::of(share.lost) - told.lost;
            let refused = share.refused - told.refused;
            (told.lost, told.refused) = (Losses::of(share.lost), share.refused);
            if lost.is_empty() {
                continue;
            }
            self.sum = self.sum + lost;
            match cgroup {
                NOBODY => nobodys = nobodys + lost,
                cgroup => found.push(LostOf { cgroup, lost, refused }),
            }
        }
        // A share that was forgotten meanwhile, or could not be made: what it lost was in the total before.
        let missing = total.beyond(self.sum);
        let new = missing.beyond(self.missing);
        self.missing = missing;
        Ok((nobodys + new, found))
    }

    /// Forgets the shares of cgroups of which nothing came since the last time; they start anew when something does.
    pub(super) fn forget_idle(&mut self) -> Result<(), ProbeError> {
        let mut idle = Vec::new();
        for item in self.map.iter() {
            let (cgroup, share) = item.map_err(in_map)?;
            let told = self.told.entry(cgroup).or_default();
            let unread = Losses::of(share.lost) != told.lost;
            if cgroup != NOBODY && !unread && told.mark == share.mark {
                idle.push(cgroup);
            }
            told.mark = share.mark;
        }
        for cgroup in idle {
            match self.map.remove(&cgroup) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(in_map(error)),
            }
            self.told.remove(&cgroup);
        }
        Ok(())
    }
}

fn in_map(error: MapError) -> ProbeError {
    ProbeError::Map { name: map::SHARES, error }
}
