//! Cgroups of this machine by id (the inode of the directory), and who owns them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cgroup::{PodCgroup, parse_cgroup_path};
use crate::model::{ContainerRef, Owner, PodRef, WatchList};

/// Missing cgroups that are remembered; past it, they are looked for anew.
const REMEMBERED: usize = 65_536;

#[derive(Debug)]
struct Entry {
    /// Below the root, with a leading slash.
    path: String,
    pod: Option<PodCgroup>,
}

/// Ids are not reused while the machine is up: what was found once stays true.
#[derive(Debug)]
pub struct CgroupIndex {
    root: PathBuf,
    entries: FxHashMap<u64, Entry>,
    /// Looked for in a whole scan, and not there: gone, or outside of the root.
    missing: FxHashSet<u64>,
}

impl CgroupIndex {
    pub fn scan(root: &Path) -> io::Result<Self> {
        // A root that cannot be read must fail here, not look like an empty machine.
        fs::read_dir(root)?;
        let mut index = Self { root: root.to_owned(), entries: FxHashMap::default(), missing: FxHashSet::default() };
        index.rescan();
        Ok(index)
    }

    /// Walks the whole tree. Directories that vanish meanwhile are no error.
    pub fn rescan(&mut self) {
        let mut pending = vec![(self.root.clone(), "/".to_owned())];
        while let Some((directory, path)) = pending.pop() {
            let Ok(metadata) = fs::metadata(&directory) else { continue };
            let pod = parse_cgroup_path(&path);
            self.entries.entry(metadata.ino()).or_insert_with(|| Entry { path: path.clone(), pod });
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let name = entry.file_name();
                    let below = format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy());
                    pending.push((directory.join(&name), below));
                }
            }
        }
    }

    fn find(&mut self, id: u64) -> Option<&Entry> {
        if !self.entries.contains_key(&id) && !self.missing.contains(&id) {
            self.rescan();
            if !self.entries.contains_key(&id) {
                if self.missing.len() >= REMEMBERED {
                    self.missing.clear();
                }
                self.missing.insert(id);
            }
        }
        self.entries.get(&id)
    }

    pub fn path_of(&mut self, id: u64) -> Option<&str> {
        self.find(id).map(|entry| entry.path.as_str())
    }

    /// Cgroups of pods that were found so far, sub-cgroups included.
    pub fn pods(&self) -> impl Iterator<Item = (u64, &PodCgroup)> {
        self.entries.iter().filter_map(|(id, entry)| Some((*id, entry.pod.as_ref()?)))
    }

    /// Directories of a container: its own and what lies below it.
    pub fn directories_of(&mut self, container_id: &str) -> Vec<PathBuf> {
        let of = |index: &Self| -> Vec<PathBuf> {
            let ours =
                |entry: &&Entry| entry.pod.as_ref().and_then(|pod| pod.container_id.as_deref()) == Some(container_id);
            let entries = index.entries.values().filter(ours);
            entries
                .map(|entry| index.root.join(entry.path.trim_start_matches('/')))
                .filter(|path| path.is_dir())
                .collect()
        };
        let found = of(self);
        if !found.is_empty() {
            return found;
        }
        self.rescan();
        of(self)
    }

    /// Who owns the sockets that were created in this cgroup.
    pub fn owner_of(&mut self, id: u64, watch: &WatchList) -> Owner {
        let Some(Entry { path, pod }) = self.find(id) else { return Owner::Unknown { cgroup_id: id, path: None } };
        let path = path.clone();
        let Some(pod) = pod.clone() else {
            return Owner::Host { node: self.node_of(&path, watch), cgroup: path };
        };
        if let Some(container) = pod.container_id.as_ref().and_then(|id| watch.containers.get(id)) {
            // An id under another pod's cgroup is not the container of that id.
            if container.pod.uid == pod.pod_uid {
                return Owner::Container(Arc::clone(container));
            }
            return Owner::Unknown { cgroup_id: id, path: Some(path) };
        }
        let Some((name, node)) = watch.pods.get(&pod.pod_uid) else {
            return Owner::Unknown { cgroup_id: id, path: Some(path) };
        };
        Owner::Container(Arc::new(ContainerRef {
            node: node.clone(),
            pod: PodRef { namespace: name.namespace.clone(), name: name.name.clone(), uid: pod.pod_uid },
            name: String::new(),
            id: pod.container_id.unwrap_or_default(),
        }))
    }

    /// The node of a host process: that of the pods below its nearest ancestor that has any, if it is only one.
    /// (Nodes of one machine, as kind or the lab make them, are subtrees of one hierarchy.)
    fn node_of(&self, path: &str, watch: &WatchList) -> String {
        let mut nodes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for entry in self.entries.values() {
            let Some((_, node)) = entry.pod.as_ref().and_then(|pod| watch.pods.get(&pod.pod_uid)) else { continue };
            for ancestor in ancestors(&entry.path) {
                nodes.entry(ancestor).or_default().insert(node);
            }
        }
        let nearest = ancestors(path).find_map(|ancestor| nodes.get(ancestor));
        match nearest.map(|nodes| nodes.iter().collect::<Vec<_>>()).as_deref() {
            Some([only]) => (**only).to_owned(),
            _ => hostname(),
        }
    }
}

/// The path and every one above it, nearest first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/') {
        _ if *path == "/" => None,
        Some(("", _)) => Some("/"),
        Some((above, _)) => Some(above),
        None => None,
    })
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".into(), |name| name.trim().to_owned())
}
