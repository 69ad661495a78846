//! Playing attacks: those that can share a lab in one, the others each in its own.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::label::{Intent, Label};
use super::score::Score;
use super::stage::Stage;
use super::{Attack, Setting};

/// What came of one attack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub attack: &'static str,
    pub source: &'static str,
    pub about: &'static str,
    pub legitimate: BTreeMap<String, u64>,
    pub bypass: BTreeMap<String, u64>,
    pub score: Score,
    pub seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<String>,
}

/// Plays them; `told` gets each row when it is certain.
pub fn run(attacks: &[Attack], mut told: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let (shared, own): (Vec<Attack>, Vec<Attack>) =
        attacks.iter().partition(|attack| attack.setting == Setting::Shared);
    let sessions =
        std::iter::once(shared).filter(|shared| !shared.is_empty()).chain(own.into_iter().map(|own| vec![own]));
    for session in sessions {
        play(&session)?.into_iter().try_for_each(&mut told)?;
    }
    Ok(())
}

/// One lab.
fn play(attacks: &[Attack]) -> Result<Vec<Row>> {
    let mut begun = Instant::now();
    let mut stage = Stage::new()?;
    if attacks.iter().any(|attack| attack.setting == Setting::Shared) {
        stage.observe_all()?;
    }
    let mut took = Vec::new();
    for attack in attacks {
        stage.begin(attack.name);
        if let Err(error) = (attack.play)(&mut stage).and_then(|()| stage.settle()) {
            stage.wrong.push((attack.name, format!("it could not be played: {error:#}")));
        }
        took.push(begun.elapsed());
        begun = Instant::now();
    }
    if let Err(error) = stage.end() {
        stage
            .wrong
            .extend(attacks.iter().map(|attack| (attack.name, format!("the verifier did not end well: {error:#}"))));
    }
    stage.tally()?;
    stage.tell_unlabelled();
    stage.tell_taken_back();
    let Stage { lab, labels, mut wrong, .. } = stage;
    lab.down()?;
    for label in &labels {
        wrong.extend(label.differences().into_iter().map(|difference| (label.attack, difference)));
    }
    let rows = attacks.iter().zip(took).map(|(attack, took)| row(attack, took, &labels, &wrong));
    Ok(rows.collect())
}

fn row(attack: &Attack, took: Duration, labels: &[Label], wrong: &[(&'static str, String)]) -> Row {
    let mut row = Row {
        attack: attack.name,
        source: attack.source,
        about: attack.about,
        legitimate: BTreeMap::new(),
        bypass: BTreeMap::new(),
        score: Score::default(),
        seconds: took.as_secs_f64(),
        wrong: wrong.iter().filter(|(name, _)| *name == attack.name).map(|(_, what)| what.clone()).collect(),
    };
    for label in labels.iter().filter(|label| label.attack == attack.name) {
        row.score.count(label);
        let fates = match label.intent {
            Intent::Legitimate => &mut row.legitimate,
            Intent::Bypass => &mut row.bypass,
        };
        for (fate, count) in &label.seen {
            *fates.entry(fate.clone()).or_default() += count;
        }
    }
    row
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |name: &str, fates: &BTreeMap<String, u64>| {
            let parts: Vec<_> = fates.iter().map(|(fate, count)| format!("{fate} {count}")).collect();
            (!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", ")))
        };
        let parts: Vec<_> =
            [list("legitimate", &self.legitimate), list("bypass", &self.bypass)].into_iter().flatten().collect();
        let said = if parts.is_empty() { "nothing arrived".to_owned() } else { parts.join("; ") };
        write!(f, "{:<26} {:<12} {:>5.1} s  {said}", self.attack, self.source, self.seconds)?;
        if !self.wrong.is_empty() {
            write!(f, "  NOT AS EXPECTED")?;
        }
        Ok(())
    }
}
