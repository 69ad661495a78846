//! The oracle: sets of objects and requests in, where each request really goes out. Cilium's operator decides, Envoy routes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::adapt::{self, Adapted};
use super::ask;
use super::echo::Echo;
use super::envoy::Proxy;
use super::model::{Heard, Request};
use super::translate::{Set, Translator};

/// Threads that ask at once.
const ASKERS: usize = 4;

pub struct Oracle {
    translator: Translator,
    echo: Echo,
    dir: PathBuf,
    batches: usize,
}

/// What a set comes to.
#[derive(Debug)]
pub enum Truth {
    /// The API server would not take it.
    Refused(Vec<String>),
    Told(Vec<World>),
}

/// One outcome of the operator, of those that the order of its lists leaves open.
#[derive(Debug)]
pub struct World {
    /// What the operator could not do.
    pub failures: Vec<String>,
    /// As many as there were requests.
    pub heard: Vec<Heard>,
}

impl Oracle {
    /// `dir` is for Envoy's files.
    pub fn start(dir: &Path) -> Result<Self> {
        Ok(Self { translator: Translator::start()?, echo: Echo::start()?, dir: dir.to_owned(), batches: 0 })
    }

    /// Asks all requests of all sets, in every world that these orders make.
    pub fn ask(&mut self, batch: &[(Set, Vec<Request>)], orders: &[i64]) -> Result<Vec<Truth>> {
        let mut refused = BTreeMap::new();
        let mut worlds = Vec::new();
        for (index, (set, _)) in batch.iter().enumerate() {
            let translated = self.translator.translate(set, orders)?;
            if !translated.refused.is_empty() {
                refused.insert(index, translated.refused);
            }
            for (number, outcome) in translated.outcomes.into_iter().enumerate() {
                let mut adapted = Vec::new();
                for config in &outcome.configs {
                    let name = format!("{index}.{number}");
                    let one = adapt::adapt(&name, set, config, &mut |backend| self.echo.port(backend));
                    adapted.push(one.with_context(|| set.id.clone())?);
                }
                worlds.push((index, outcome.failures, adapted));
            }
        }
        let proxy = self.proxy(&worlds)?;
        let heard = self.hear(batch, &worlds, &proxy)?;
        let mut truths: Vec<Truth> = (0..batch.len())
            .map(|index| refused.remove(&index).map_or_else(|| Truth::Told(Vec::new()), Truth::Refused))
            .collect();
        for ((index, failures, _), heard) in worlds.into_iter().zip(heard) {
            if let Truth::Told(worlds) = &mut truths[index] {
                worlds.push(World { failures, heard });
            }
        }
        Ok(truths)
    }

    fn proxy(&mut self, worlds: &[(usize, Vec<String>, Vec<Adapted>)]) -> Result<Proxy> {
        let all = || worlds.iter().flat_map(|(_, _, adapted)| adapted);
        let listeners: Vec<_> = all().flat_map(|one| one.listeners.iter().cloned()).collect();
        let clusters: Vec<_> = all().flat_map(|one| one.clusters.iter().cloned()).collect();
        self.batches += 1;
        Proxy::start(&self.dir.join(format!("batch-{}", self.batches)), &listeners, &clusters)
    }

    /// For each world what each request of its set comes to.
    fn hear(
        &self,
        batch: &[(Set, Vec<Request>)],
        worlds: &[(usize, Vec<String>, Vec<Adapted>)],
        proxy: &Proxy,
    ) -> Result<Vec<Vec<Heard>>> {
        let mut heard: Vec<Vec<Heard>> =
            worlds.iter().map(|(index, _, _)| vec![Heard::Nothing; batch[*index].1.len()]).collect();
        let mut jobs = Vec::new();
        for (world, (index, _, adapted)) in worlds.iter().enumerate() {
            for one in adapted {
                for (front, port, listener) in &one.fronts {
                    let at = |request: &&(usize, &Request)| request.1.front == *front && request.1.port == *port;
                    let numbered: Vec<_> = batch[*index].1.iter().enumerate().collect();
                    let asked: Vec<_> = numbered.iter().filter(at).copied().collect();
                    match proxy.port(listener) {
                        Ok(port) if !asked.is_empty() => jobs.push((world, port, one.draws, asked)),
                        Ok(_) => {}
                        Err(complaint) => {
                            asked.iter().for_each(|(n, _)| heard[world][*n] = Heard::Refused(complaint.clone()));
                        }
                    }
                }
            }
        }
        let share = jobs.len().div_ceil(ASKERS).max(1);
        let answers = std::thread::scope(|threads| {
            let askers: Vec<_> = jobs
                .chunks(share)
                .map(|jobs| {
                    threads.spawn(move || {
                        let mut done = Vec::new();
                        for (world, port, draws, asked) in jobs {
                            let requests: Vec<_> = asked.iter().map(|(_, request)| *request).collect();
                            let sent = ask::ask(*port, &requests, *draws)?;
                            done.extend(asked.iter().zip(sent).map(|((n, _), sent)| (*world, *n, sent)));
                        }
                        Ok(done)
                    })
                })
                .collect();
            askers.into_iter().map(|asker| asker.join().expect("an asker panics")).collect::<Result<Vec<_>>>()
        })?;
        self.echo.settle();
        for (world, n, sent) in answers.into_iter().flatten() {
            heard[world][n] = Heard::Answer(sent.answer(&self.echo));
        }
        Ok(heard)
    }
}
