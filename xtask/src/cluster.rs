//! A real API server for tests: kube-apiserver and etcd on loopback, and by hand what else a cluster's control plane would do.
//!
//! There is no controller-manager, no scheduler and no kubelet. What they would write, `controllers` writes when it is asked to; what they
//! would do, `jobs` does with a Job and `kubelet` with a port-forward.

mod access;
mod certificates;
pub mod client;
mod clock;
pub mod controllers;
mod counted;
mod definitions;
pub mod experiment;
mod gateway_controller;
pub mod installation;
pub mod jobs;
mod keeper;
mod kubeconfig;
mod kubelet;
mod listing;
mod nats;
pub mod populate;
mod server;

pub use access::Bound;
pub use client::Client;
pub use counted::Counted;
pub use gateway_controller::Controller;
pub use installation::Installation;
pub use kubelet::Kubelet;
pub use listing::everything;
pub use nats::Nats;
pub use populate::populate;
pub use server::ApiServer;

use crate::{lab::privileged, setup};

/// Whether a test that needs the API server can run; prints why not.
///
/// # Panics
/// Where `CI=true`: a test that cannot run there proves nothing.
pub fn available(test: &str) -> bool {
    privileged::unless(test, setup::kube_apiserver().and(setup::etcd()).err().map(|error| format!("{error:#}")))
}
