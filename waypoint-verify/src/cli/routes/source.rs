//! Where objects come from: files, standard input, or a cluster.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;

use crate::cli::kube::Kube;
use crate::listing;
use crate::manifest::{Object, ObjectKey, Problem, read_path};
use crate::policy::{Loaded, take_policies};
use crate::routes::place;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Path(PathBuf),
    Cluster,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `cluster` is the cluster; a file of this name is `./cluster`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "cluster" { Self::Cluster } else { Self::Path(text.into()) })
    }
}

fn of_cluster(access: &Kube) -> anyhow::Result<(Vec<Object>, Vec<Problem>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let client = kube::Client::try_from(access.config().await?)?;
        listing::list(&client, |_| true).await.context("asking the API server what it serves")
    })
}

/// Objects, and what could not be read of them.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub objects: Vec<Object>,
    pub unread: Vec<Problem>,
}

impl State {
    pub fn read(sources: &[Source], access: &Kube, namespace: &str) -> anyhow::Result<Self> {
        let mut state = Self::default();
        for source in sources {
            let (objects, unread) = match source {
                Source::Path(path) => read_path(path),
                Source::Cluster => of_cluster(access)?,
            };
            state.objects.extend(objects);
            state.unread.extend(unread);
        }
        state.place(namespace);
        Ok(state)
    }

    /// Objects that name no namespace are of this one.
    pub fn place(&mut self, namespace: &str) {
        self.objects.iter_mut().for_each(|object| place(object, namespace));
    }

    /// Takes the policies out, with what is wrong with them.
    pub fn take_policies(&mut self) -> (Vec<Loaded>, Vec<Problem>) {
        let mut problems = Vec::new();
        let (policies, others) = take_policies(std::mem::take(&mut self.objects), &mut problems);
        self.objects = others;
        (policies, problems)
    }

    /// Without the objects of `gone`, and with those of `new` instead of their namesakes.
    pub fn changed(&self, new: Self, gone: Self) -> Self {
        let removed: BTreeSet<&ObjectKey> = gone.objects.iter().chain(&new.objects).map(|object| &object.key).collect();
        let kept = self.objects.iter().filter(|object| !removed.contains(&object.key)).cloned();
        let objects = kept.chain(new.objects.iter().cloned()).collect();
        let unread = self.unread.iter().chain(&new.unread).chain(&gone.unread).cloned();
        Self { objects, unread: unread.collect() }
    }
}
