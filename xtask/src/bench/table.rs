//! What was measured, as a table of Markdown, on the terminal and in docs/performance.md.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::Extent;

const BEGIN: &str = "<!-- bench: begin (written by cargo xtask bench) -->";
const END: &str = "<!-- bench: end -->";

#[derive(Debug, Default)]
pub struct Table(Vec<[String; 4]>);

impl Table {
    pub fn target(&mut self, what: &str, target: &str, measured: String, met: bool) {
        let met = if met { "yes" } else { "**no**" };
        self.0.push([what.to_owned(), target.to_owned(), measured, met.to_owned()]);
    }

    /// Something without a target.
    pub fn fact(&mut self, what: &str, measured: String) {
        self.0.push([what.to_owned(), String::new(), measured, String::new()]);
    }

    /// Puts it between the markers of docs/performance.md.
    pub fn write(&self, extent: Extent) -> Result<()> {
        let path = crate::workspace().join("docs/performance.md");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (head, rest) = text.split_once(BEGIN).with_context(|| format!("no {BEGIN} in {}", path.display()))?;
        let (_, tail) = rest.split_once(END).with_context(|| format!("no {END} in {}", path.display()))?;
        let Extent { rounds, interval } = extent;
        let about = format!(
            "`cargo xtask bench` on {}: {}, Linux {}; {rounds} pairs of {} s each, medians.",
            output("date", &["+%Y-%m-%d"])?,
            machine()?,
            output("uname", &["-r"])?,
            interval.as_secs()
        );
        fs::write(&path, format!("{head}{BEGIN}\n{about}\n\n{self}\n{END}{tail}"))?;
        eprintln!("bench: written into {}", path.display());
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| what | target | measured | met |\n| --- | --- | --- | --- |")?;
        self.0
            .iter()
            .try_for_each(|[what, target, measured, met]| write!(f, "\n| {what} | {target} | {measured} | {met} |"))
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

fn machine() -> Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<_> = info.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": ")).collect();
    Ok(format!("{} cores of {}", models.len(), models.first().map_or("an unknown processor", |model| model.1)))
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
