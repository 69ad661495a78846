//! Waiting for a state, with an end to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Far beyond what anything here takes, so that only what will never come is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until the answer is `Some`; an error while asking counts as "not yet" and is named if it stays.
pub fn wait<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait_for(PATIENCE, what, ask)
}

/// The same, with a patience of one's own: where how long it takes is what is claimed, or is known to be longer.
pub fn wait_for<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if let Ok(Some(value)) = answer {
            return Ok(value);
        }
        if start.elapsed() > patience {
            return match answer {
                Err(error) => Err(error).with_context(|| format!("waited {patience:?} in vain for {what}")),
                Ok(_) => bail!("waited {patience:?} in vain for {what}"),
            };
        }
        // The pause between two questions, not a guess at how long the thing takes.
        std::thread::sleep(Duration::from_millis(2));
    }
}
