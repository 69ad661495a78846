//! The objects of a cluster as its API server tells of them: one watch for each kind.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use tokio::sync::Notify;

use crate::listing;
use crate::manifest::{Object, ObjectKey};
use kinds::{KINDS, Kind};

/// How long after a kind was found missing to look for it again.
const AGAIN: Duration = Duration::from_secs(30);
/// How long after an error to ask again: twice as long each time, between these.
const RETRY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(4)];
/// Nobody reads these, and some change all the time: heartbeats of nodes, and what the verifier itself writes.
const NOT_READ: [(&str, &str); 5] = [
    ("", "/metadata/managedFields"),
    ("", "/metadata/resourceVersion"),
    ("Node", "/status/conditions"),
    ("Node", "/status/images"),
    ("WaypointPolicy", "/status"),
];

/// What is known of one kind.
#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<ObjectKey, Object>,
    /// All of it has been listed once, or it is optional and not there.
    listed: bool,
    missing: bool,
    /// What the API server answered last, if that was no object.
    trouble: Option<String>,
}

/// All that is known, filled by [`watch`].
#[derive(Debug, Default)]
pub struct Objects {
    known: Mutex<BTreeMap<&'static str, Known>>,
    /// Counts changes; touched only while `known` is held.
    revision: AtomicU64,
    changed: Notify,
}

impl Objects {
    /// Returns when something is another than at the last call. For one that waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All objects and which state of them this is, once every kind has been listed; before that what is still missing.
    pub fn all(&self) -> Result<(u64, Vec<Object>), Vec<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        not_listed(&known)?;
        let all = known.values().flat_map(|known| known.objects.values().cloned()).collect();
        Ok((self.revision.load(Ordering::Relaxed), all))
    }

    /// Which state of them this is.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    /// What keeps all objects from being known; empty: nothing.
    pub fn waiting(&self) -> Vec<String> {
        not_listed(&self.known.lock().unwrap_or_else(PoisonError::into_inner)).err().unwrap_or_default()
    }

    /// Which state of the objects this is, if nothing of it may be outdated: whoever begins to judge after the API server was away
    /// does not begin with what was true before that.
    pub fn current(&self) -> Result<u64, Vec<String>> {
        let troubles = self.troubles();
        if !troubles.is_empty() {
            return Err(troubles);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        not_listed(&known).map(|()| self.revision.load(Ordering::Relaxed))
    }

    /// Optional kinds that this cluster does not have.
    pub fn missing(&self) -> BTreeSet<&'static str> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(_, known)| known.missing).map(|(plural, _)| *plural).collect()
    }

    /// What the API server refuses now, by kind.
    pub fn troubles(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles =
            known.iter().filter_map(|(plural, known)| Some(format!("{plural}: {}", known.trouble.as_ref()?)));
        troubles.collect()
    }

    /// `change` returns whether a reader has to look again.
    fn with(&self, kind: &Kind, change: impl FnOnce(&mut Known) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if change(known.entry(kind.plural).or_default()) {
            self.revision.fetch_add(1, Ordering::Relaxed);
            self.changed.notify_one();
        }
    }
}

fn not_listed(known: &BTreeMap<&'static str, Known>) -> Result<(), Vec<String>> {
    let waiting: Vec<_> = KINDS
        .iter()
        .filter_map(|kind| match known.get(kind.plural) {
            Some(known) if known.listed => None,
            Some(Known { trouble: Some(trouble), .. }) => Some(format!("{}: {trouble}", kind.plural)),
            _ => Some(format!("{}: not listed yet", kind.plural)),
        })
        .collect();
    if waiting.is_empty() { Ok(()) } else { Err(waiting) }
}

/// Whether objects of this kind are among them.
pub fn is_watched(group: &str, kind: &str) -> bool {
    KINDS.iter().any(|watched| (watched.group, watched.kind) == (group, kind))
}

/// Watches every kind, for ever.
pub fn watch(client: &Client, objects: &Arc<Objects>) {
    for kind in &KINDS {
        tokio::spawn(watch_one(client.clone(), kind, Arc::clone(objects)));
    }
}

/// After an error everything is listed anew: a watch that goes on where it was says nothing until something changes, and until then
/// nobody would know that it does.
async fn watch_one(client: Client, kind: &'static Kind, objects: Arc<Objects>) {
    let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
    let mut wait = RETRY[0];
    loop {
        let mut events = events(&client, &resource, kind);
        let mut listing = BTreeMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    // The first one is there before anything was asked.
                    if !matches!(event, Event::Init) {
                        wait = RETRY[0];
                    }
                    take(kind, event, &mut listing, &objects);
                }
                Err(error) if kind.optional && is_missing(&error) => {
                    objects.with(kind, |known| {
                        *known = Known { listed: true, missing: true, ..Known::default() };
                        true
                    });
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    let trouble = trouble(kind, &error);
                    tracing::warn!("{trouble}");
                    objects.with(kind, |known| {
                        known.trouble = Some(trouble);
                        false
                    });
                    break;
                }
            }
        }
        tokio::time::sleep(wait).await;
        wait = RETRY[1].min(wait * 2);
    }
}

fn events(
    client: &Client,
    resource: &ApiResource,
    kind: &Kind,
) -> BoxStream<'static, watcher::Result<Event<DynamicObject>>> {
    let config = watcher::Config::default();
    if !kind.only_metadata {
        return watcher::watcher(Api::<DynamicObject>::all_with(client.clone(), resource), config).boxed();
    }
    let whole = |part: PartialObjectMeta<DynamicObject>| DynamicObject {
        types: None,
        metadata: part.metadata,
        data: serde_json::json!({}),
    };
    let event = move |event| match event {
        Event::Apply(part) => Event::Apply(whole(part)),
        Event::Delete(part) => Event::Delete(whole(part)),
        Event::Init => Event::Init,
        Event::InitApply(part) => Event::InitApply(whole(part)),
        Event::InitDone => Event::InitDone,
    };
    watcher::watcher(Api::all_with(client.clone(), resource), config).map_ok(event).boxed()
}

fn take(
    kind: &'static Kind,
    event: Event<DynamicObject>,
    listing: &mut BTreeMap<ObjectKey, Object>,
    objects: &Objects,
) {
    match event {
        Event::Init => listing.clear(),
        Event::InitApply(object) => {
            let object = read(kind, &object);
            listing.insert(object.key.clone(), object);
        }
        Event::InitDone => {
            let all = std::mem::take(listing);
            objects.with(kind, |known| {
                *known = Known { objects: all, listed: true, ..Known::default() };
                true
            });
        }
        Event::Apply(object) => {
            let object = read(kind, &object);
            objects.with(kind, |known| {
                known.trouble = None;
                let before = known.objects.insert(object.key.clone(), object.clone());
                before.is_none_or(|before| before.json != object.json)
            });
        }
        Event::Delete(object) => {
            let object = read(kind, &object);
            objects.with(kind, |known| {
                known.trouble = None;
                known.objects.remove(&object.key).is_some()
            });
        }
    }
}

/// The server answers 404 to a list of a kind that has no definition.
fn is_missing(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status,
        watcher::Error::WatchError(status) => status,
        _ => return false,
    };
    status.code == 404
}

fn trouble(kind: &Kind, error: &watcher::Error) -> String {
    let group = if kind.group.is_empty() { "" } else { "." };
    let name = format!("{}{group}{}", kind.plural, kind.group);
    let text = error.to_string();
    if text.contains("forbidden") {
        format!("may not watch {name}: see verifier-rbac.yaml in manifests/install ({text})")
    } else if is_missing(error) {
        format!("{name} is not known to the API server: install its CustomResourceDefinition ({text})")
    } else {
        format!("watching {name}: {text}")
    }
}

fn read(kind: &Kind, object: &DynamicObject) -> Object {
    let mut object = listing::object((kind.group, kind.version, kind.kind), object);
    let json = Arc::make_mut(&mut object.json);
    for (_, pointer) in NOT_READ.iter().filter(|(of, _)| of.is_empty() || *of == kind.kind) {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = json.pointer_mut(parent).and_then(|parent| parent.as_object_mut()) {
            parent.remove(field);
        }
    }
    object
}
