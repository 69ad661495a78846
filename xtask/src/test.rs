//! `cargo xtask test`: everything that can be tested on one machine.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{bench, cargo, demo, root, setup};

/// Tests that take minutes are ignored, and in modules of this name.
const LONG: &str = "long::";

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// After them those that take minutes
    #[arg(long)]
    long: bool,
    /// Passed on to `cargo test`, such as a name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub fn main(arguments: &Args) -> Result<()> {
    setup::main()?;
    // The tests on real traffic run the program as it is shipped.
    demo::build()?;
    bench::scale::build()?;
    let more: Vec<&str> = arguments.more.iter().map(String::as_str).collect();
    run(&more)?;
    if arguments.long {
        let selection = more.split(|word| *word == "--").next().unwrap_or_default();
        run(&[selection, &["--", "--ignored", LONG]].concat())?;
    }
    Ok(())
}

fn run(more: &[&str]) -> Result<()> {
    let words = [&["test", "--workspace"], more].concat();
    let mut command = cargo::command(&words);
    command.envs(root::runner());
    cargo::finish(&mut command, &words)
}
