//! A node testifies only for itself: what it claims of another node's pods is refused, whatever it is.

use crate::bus::batch::Batch;
use crate::evidence::{Evidence, Subject};
use crate::model::{ContainerRef, Owner, WatchList};

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the stream of {stream} holds a batch that says it is of {claimed}")]
    OtherStream { stream: String, claimed: String },
    #[error("{node} claims to be {claimed}")]
    OtherNode { node: String, claimed: String },
    #[error("{node} testifies for {container}, which runs on {actual}")]
    OtherPod { node: String, container: String, actual: String },
}

pub fn check(node: &str, batch: &Batch, watch: &WatchList) -> Result<(), Refused> {
    if batch.node != node {
        return Err(Refused::OtherStream { stream: node.to_owned(), claimed: batch.node.clone() });
    }
    let older = batch.answer.iter().flat_map(|answer| &answer.older.groups);
    older.map(|group| &group.container).try_for_each(|claimed| container(node, claimed, watch))?;
    batch.evidence.iter().filter_map(Evidence::subject).try_for_each(|subject| match subject {
        Subject::Owner(of) => owner(node, of, watch),
        Subject::Proxy(of) | Subject::Target(of) => container(node, of, watch),
    })
}

fn owner(node: &str, owner: &Owner, watch: &WatchList) -> Result<(), Refused> {
    match owner {
        Owner::Container(claimed) => container(node, claimed, watch),
        Owner::Host { node: claimed, .. } if claimed != node => {
            Err(Refused::OtherNode { node: node.to_owned(), claimed: claimed.clone() })
        }
        Owner::Host { .. } | Owner::Unknown { .. } => Ok(()),
    }
}

/// By what the API server says of this container and pod, not by what the agent says.
fn container(node: &str, claimed: &ContainerRef, watch: &WatchList) -> Result<(), Refused> {
    let of_container = watch.containers.get(&claimed.id).map(|known| known.node.as_str());
    let of_pod = watch.pods.get(&claimed.pod.uid).map(|(_, node)| node.as_str());
    let known = [of_container, of_pod, Some(claimed.node.as_str())];
    match known.into_iter().flatten().find(|actual| *actual != node) {
        None => Ok(()),
        Some(actual) => {
            Err(Refused::OtherPod { node: node.to_owned(), container: claimed.to_string(), actual: actual.to_owned() })
        }
    }
}
