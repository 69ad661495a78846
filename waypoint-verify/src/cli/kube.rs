//! Which cluster, and as whom.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use kube::config::{KubeConfigOptions, Kubeconfig};

#[derive(Clone, Debug, ClapArgs)]
pub struct Kube {
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one otherwise.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl Kube {
    pub async fn config(&self) -> anyhow::Result<kube::Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let read = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
                kube::Config::from_custom_kubeconfig(read, &options).await
            }
            None => kube::Config::from_kubeconfig(&options).await,
        };
        config.context("the kubeconfig")
    }
}
