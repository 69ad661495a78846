//! What the objects of the cluster come to, made anew when they change: beside the judges, which go on meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::history::History;
use super::objects::Objects;
use super::partition::Partitions;
use super::picture::Picture;
use super::roles::Roles;
use crate::bus::control::Part;
use crate::model::NamespacedName;
use crate::probe::boot_ns;

/// After a change of objects, how long others may come with it.
const SETTLE: Duration = Duration::from_millis(100);
/// How often to look whether something of the past can be forgotten.
const FORGET: Duration = Duration::from_secs(10);

/// The cluster at one time.
#[derive(Debug)]
pub struct Cluster {
    /// Of which state of the objects.
    pub of: u64,
    /// The watch list of each node, for all policies.
    pub parts: BTreeMap<String, Part>,
    /// Of all policies.
    pub roles: Roles,
    /// Of each partition: its own policies, and all else.
    pub pictures: Vec<Arc<Picture>>,
    /// Where each policy belongs.
    pub partitions: BTreeMap<NamespacedName, u16>,
}

impl Cluster {
    pub fn new(
        of: u64,
        mut whole: Picture,
        history: &mut History,
        partitions: Partitions,
        digest_key: [u8; 16],
    ) -> anyhow::Result<Self> {
        // Agents have to know of those that are there.
        let parts = Part::of_nodes(&whole.watch, &whole.nodes, digest_key);
        let roles = history.add_to(&mut whole, boot_ns()?);
        let of_policy = whole.policies.iter().map(|(name, policy)| (name.clone(), partitions.of(&policy.uid)));
        let of_policy: BTreeMap<_, _> = of_policy.collect();
        let pictures = if partitions.count() == 1 {
            vec![Arc::new(whole)]
        } else {
            let only = |partition| whole.only(|name| of_policy.get(name) == Some(&partition));
            partitions.all().map(|partition| Arc::new(only(partition))).collect()
        };
        Ok(Self { of, parts, roles, pictures, partitions: of_policy })
    }
}

/// The newest one; none before everything has been listed.
pub type Clusters = watch::Receiver<Option<Arc<Cluster>>>;

/// Follows the objects, for ever.
pub fn follow(objects: &Arc<Objects>, partitions: Partitions, digest_key: [u8; 16]) -> Clusters {
    let (told, clusters) = watch::channel(None);
    let objects = Arc::clone(objects);
    tokio::spawn(async move {
        let mut history = History::default();
        loop {
            if history.is_empty() {
                objects.changed().await;
            } else {
                let _ = tokio::time::timeout(FORGET, objects.changed()).await;
            }
            tokio::time::sleep(SETTLE).await;
            let Ok((of, all)) = objects.all() else { continue };
            let made = tokio::task::spawn_blocking(move || {
                let cluster = Cluster::new(of, Picture::of(all.iter()), &mut history, partitions, digest_key);
                (cluster, history)
            });
            match made.await {
                Ok((Ok(cluster), after)) => {
                    history = after;
                    told.send_replace(Some(Arc::new(cluster)));
                }
                Ok((Err(error), after)) => {
                    history = after;
                    tracing::error!("the cluster cannot be read: {error:#}");
                }
                // It has panicked, and so has said why. Whoever judges must not go on with what was.
                Err(_) => return,
            }
        }
    });
    clusters
}
