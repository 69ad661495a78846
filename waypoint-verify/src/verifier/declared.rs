//! Reads what the objects declare anew as they change: beside the judges, and for a twentieth of the time at most.
//!
//! Kinds that judging needs are watched; the others are listed now and then. What cannot be listed keeps nobody from judging: it is unread.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use kube::core::ApiResource;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::declarations::Declarations;
use super::objects::{Objects, is_watched};
use crate::listing;
use crate::manifest::{Object, Problem};
use crate::routes::{Assumptions, TEMPLATES};

/// Between two looks whether anything has changed.
const LOOK: Duration = Duration::from_secs(1);
/// How old a list may be.
const LISTED: Duration = Duration::from_secs(60);
/// How long a list of all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of the time, one part of so many is spent.
const SHARE: u32 = 20;

/// Follows the objects, for ever, while this verifier judges anything.
pub fn follow(
    client: &Client,
    objects: &Arc<Objects>,
    assumptions: Assumptions,
    tell: watch::Sender<Arc<Declarations>>,
    is_judging: impl Fn() -> bool + Send + 'static,
) -> JoinHandle<()> {
    let (client, objects) = (client.clone(), Arc::clone(objects));
    tokio::spawn(async move {
        let mut listed: Option<Listed> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let before = Arc::clone(&tell.borrow());
            if !is_judging() {
                // Whoever begins to judge does not begin with what was declared before that.
                if before.of.is_some() {
                    tell.send_replace(Arc::default());
                }
                continue;
            }
            let is_current = listed.as_ref().is_some_and(|listed| listed.at.elapsed() < LISTED);
            let is_known = is_current && before.of == Some(objects.revision());
            let is_early = before.made.is_some_and(|made| made.elapsed() < before.took * SHARE);
            if is_known || is_early {
                continue;
            }
            let started = Instant::now();
            if !is_current {
                listed = Some(Listed::new(&client, &objects.missing()).await);
            }
            let Ok((of, mut all)) = objects.all() else { continue };
            // What is not in a list may be newer than it.
            let began = listed.as_ref().map_or_else(Instant::now, |listed| listed.at);
            let (more, mut unread) =
                listed.as_ref().map_or_else(Default::default, |listed| (listed.objects.clone(), listed.unread.clone()));
            all.extend(more);
            unread.extend(objects.troubles().into_iter().map(|trouble| unwatched(&trouble)));
            warn(&before, &unread);
            let assumptions = assumptions.clone();
            let made =
                tokio::task::spawn_blocking(move || Declarations::new(of, all, unread, &assumptions, &before, began));
            match made.await {
                Ok(mut made) => {
                    made.took = started.elapsed();
                    tell.send_replace(Arc::new(made));
                }
                // It has panicked, and so has said why: what was read before is not what is there.
                Err(_) => {
                    tell.send_replace(Arc::default());
                    tokio::time::sleep(LISTED).await;
                }
            }
        }
    })
}

/// What is not watched, as of one time.
struct Listed {
    at: Instant,
    objects: Vec<Object>,
    unread: Vec<Problem>,
}

impl Listed {
    /// `missing`: kinds (by plural) that are watched in a version that this cluster does not serve.
    async fn new(client: &Client, missing: &BTreeSet<&'static str>) -> Self {
        let at = Instant::now();
        let is_wanted = |resource: &ApiResource| is_listed(resource, missing);
        let listed = tokio::time::timeout(PATIENCE, listing::list(client, is_wanted)).await;
        let nothing =
            |what: String| (Vec::new(), vec![Problem::finding(what, "see the API server's log").at("the cluster")]);
        let (objects, unread) = match listed {
            Ok(Ok(listed)) => listed,
            Ok(Err(error)) => nothing(format!("the API server does not say which kinds it serves: {error}")),
            Err(_) => nothing(format!("the API server did not list everything within {} s", PATIENCE.as_secs())),
        };
        Self { at, objects, unread }
    }
}

/// Pods are there: what they were made of declares nothing more.
fn is_listed(resource: &ApiResource, missing: &BTreeSet<&'static str>) -> bool {
    let kind = (resource.group.as_str(), resource.kind.as_str());
    let is_watched = is_watched(kind.0, kind.1) && !missing.contains(resource.plural.as_str());
    !is_watched && !TEMPLATES.contains(&kind)
}

fn unwatched(trouble: &str) -> Problem {
    Problem::finding(format!("may be outdated: {trouble}"), "what these objects lead to is not known").at("the cluster")
}

/// Says what is unread once.
fn warn(before: &Declarations, unread: &[Problem]) {
    let known: BTreeSet<&Problem> = before.unread.iter().collect();
    for problem in unread.iter().filter(|problem| !known.contains(problem)) {
        tracing::warn!("declared paths: {problem}");
    }
}
