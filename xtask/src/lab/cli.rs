//! `xtask lab up|down|status|apply|exec`: a lab in the background, to look around in.

use anyhow::Result;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn main(_arguments: Args) -> Result<()> {
    let start = std::time::Instant::now();
    let lab = super::Lab::up(&super::Topology::standard())?;
    println!("up in {:?}", start.elapsed());
    let to = lab.gateway("hello-gateway")?;
    let outcomes = lab.client("client-1")?.run(&crate::client::Script::keep_alive(to, (0..4).map(|i| crate::client::Request::get(&format!("/{i}")))))?;
    for outcome in outcomes {
        println!("{outcome:?}");
    }
    let start = std::time::Instant::now();
    lab.down()?;
    println!("down in {:?}", start.elapsed());
    Ok(())
}
