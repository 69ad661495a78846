//! `cargo xtask attack`: who wants the word Verified without having passed the waypoint, or wants to blind the verifier, or to make
//! it cry wolf. Each attack is a file of its own, on real probes, real proxies and real sockets; the score is over all of them.

mod attacks;
mod label;
mod legit;
mod run;
mod score;
mod stage;
mod traffic;
mod truth;

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;

use crate::demo::{self, Format};
use crate::setup;
pub use attacks::ALL;
pub use run::{Row, run};
pub use score::Score;
pub use stage::Stage;

/// One attack: what it is, and how it is played.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    /// Where it comes from: a row of the table of attacks (docs/soundness.md), by its number; a proxy's behaviour; a forgery.
    pub source: &'static str,
    pub about: &'static str,
    pub setting: Setting,
    pub play: fn(&mut Stage) -> Result<()>,
}

/// Where an attack is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In one lab and under one verifier with others: it changes no object and leaves nothing open.
    Shared,
    /// In a lab of its own, where it starts the verifier itself.
    Own,
    /// The same, and it takes too long for every day.
    Long,
}

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Only these attacks
    names: Vec<String>,
    /// Also those that take long
    #[arg(long)]
    long: bool,
    /// Name the attacks and end
    #[arg(long)]
    list: bool,
    /// How rows are printed; the score comes last
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Setup and build were done (by the part that ran without root)
    #[arg(long, hide = true)]
    built: bool,
}

pub fn main(arguments: &Args) -> Result<()> {
    if arguments.list {
        for attack in ALL {
            println!("{:<26} {:<12} {}", attack.name, attack.source, attack.about);
        }
        return Ok(());
    }
    let chosen = chosen(arguments)?;
    if !arguments.built {
        setup::lab()?;
        demo::build()?;
        crate::root::again(&["--built"])?;
    }
    let mut score = Score::default();
    let mut wrong = Vec::new();
    run(&chosen, |row| {
        match arguments.format {
            Format::Text => println!("{row}"),
            Format::Json => println!("{}", serde_json::to_string(&row)?),
        }
        score.add(&row.score);
        wrong.extend(row.wrong.iter().map(|what| format!("{}: {what}", row.attack)));
        Ok(())
    })?;
    match arguments.format {
        Format::Text => println!("\n{score}"),
        Format::Json => println!("{}", serde_json::json!({"score": score})),
    }
    for wrong in &wrong {
        eprintln!("not as expected: {wrong}");
    }
    ensure!(wrong.is_empty(), "{} things are not as the attacks' files expect", wrong.len());
    score.check()
}

fn chosen(arguments: &Args) -> Result<Vec<Attack>> {
    if arguments.names.is_empty() {
        return Ok(ALL.iter().filter(|attack| arguments.long || attack.setting != Setting::Long).copied().collect());
    }
    let find = |name: &String| {
        ALL.iter()
            .find(|attack| attack.name == *name)
            .copied()
            .with_context(|| format!("no attack {name}: `cargo xtask attack --list` names them"))
    };
    arguments.names.iter().map(find).collect()
}
