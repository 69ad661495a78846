//! `cargo xtask test`: everything that can be tested on one machine.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{cargo, demo, root, setup};

#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Passed on to `cargo test`, such as a name
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

pub fn main(arguments: &Args) -> Result<()> {
    setup::main()?;
    // The tests on real traffic run the program as it is shipped.
    demo::build()?;
    let mut words = vec!["test", "--workspace"];
    words.extend(arguments.more.iter().map(String::as_str));
    let mut command = cargo::command(&words);
    command.envs(root::runner());
    cargo::finish(&mut command, &words)
}
