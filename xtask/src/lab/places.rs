//! Where processes can be started, written down for other programs: `places.json` in the lab's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::{cgroup, watchdog};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub address: String,
    pub netns: String,
    /// Absolute.
    pub cgroup: PathBuf,
}

/// By name: `POD/CONTAINER`, `NODE`, `outside`.
pub type Places = BTreeMap<String, Entry>;

pub fn of(plan: &Plan, lab_cgroup: &Path) -> Places {
    let mut places = Places::new();
    for pod in &plan.pods {
        for container in &pod.containers {
            let entry = Entry {
                address: pod.ip().to_string(),
                netns: pod.netns.clone(),
                cgroup: lab_cgroup.join(&container.cgroup),
            };
            places.insert(format!("{}/{}", pod.name, container.name), entry);
        }
    }
    for node in &plan.nodes {
        let cgroup = lab_cgroup.join(cgroup::of_node(&node.name)).join(cgroup::host_path("host-process"));
        places.insert(
            node.name.clone(),
            Entry { address: node.address.ipv4.to_string(), netns: node.netns.clone(), cgroup },
        );
    }
    let outside = Entry {
        address: plan.networks().outside.ipv4.to_string(),
        netns: plan.outside_netns(),
        cgroup: lab_cgroup.join("outside"),
    };
    places.insert("outside".to_owned(), outside);
    places
}

pub fn read(state: &Path) -> Result<Places> {
    let path = state.join("places.json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

pub(super) fn write(state: &Path, places: &Places) -> Result<()> {
    watchdog::replace(&state.join("places.json"), &serde_json::to_string_pretty(places)?)
}
