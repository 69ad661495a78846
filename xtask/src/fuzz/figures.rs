//! What libFuzzer says of a run, as one row of a table.

/// The figures of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub executions: u64,
    pub seconds: u64,
    pub edges: u64,
    pub features: u64,
    pub corpus: u64,
    /// MiB.
    pub rss: u64,
    pub crashes: u64,
}

impl Figures {
    pub const HEADER: &'static str =
        "target          seconds   executions  exec/s   edges  features  corpus  max RSS MiB  crashes";

    /// Reads the log of a run; `failed`: it ended with an error, so at least one thing was found.
    pub fn of(log: &str, failed: bool) -> Self {
        let mut figures = Self::default();
        for line in log.lines() {
            if let Some(rest) = line.strip_prefix('#') {
                figures.progress(rest);
            }
            if let Some(done) = line.strip_prefix("Done ") {
                let mut words = done.split_whitespace();
                figures.executions = number(words.next());
                figures.seconds = number(words.nth(2));
            }
            if let Some(rss) = line.strip_prefix("stat::peak_rss_mb:") {
                figures.rss = figures.rss.max(number(rest_of(rss)));
            }
            if line.contains("Test unit written to") {
                figures.crashes += 1;
            }
        }
        figures.crashes = figures.crashes.max(u64::from(failed));
        figures
    }

    /// `#1234 REDUCE cov: 12 ft: 34 corp: 5/67b lim: 8 exec/s: 9 rss: 10Mb ...`, and the like of `-fork`.
    fn progress(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let executions = number(words.next().map(|word| word.trim_end_matches(':')));
        self.executions = self.executions.max(executions);
        let mut before = "";
        for word in words {
            match before {
                "cov:" => self.edges = number(Some(word)),
                "ft:" => self.features = number(Some(word)),
                "corp:" => self.corpus = number(word.split('/').next()),
                "rss:" => self.rss = self.rss.max(number(word.strip_suffix("Mb"))),
                "time:" => self.seconds = number(word.split('s').next()),
                _ => {}
            }
            before = word;
        }
    }

    pub fn row(&self, target: &str) -> String {
        let speed = self.executions / self.seconds.max(1);
        format!(
            "{target:<15} {:>7} {:>12} {speed:>7} {:>7} {:>9} {:>7} {:>12} {:>8}",
            self.seconds, self.executions, self.edges, self.features, self.corpus, self.rss, self.crashes
        )
    }
}

fn rest_of(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_progress_and_the_final_statistics_are_read() {
        let log = "INFO: Seed: 1\n\
                   #2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                   #4096\tpulse  cov: 20 ft: 33 corp: 7/120b lim: 43 exec/s: 2048 rss: 41Mb\n\
                   #5000\tDONE   cov: 21 ft: 34 corp: 8/130b lim: 43 exec/s: 2500 rss: 41Mb\n\
                   Done 5000 runs in 2 second(s)\n\
                   stat::number_of_executed_units: 5000\n\
                   stat::peak_rss_mb:              42\n";
        let expected =
            Figures { executions: 5000, seconds: 2, edges: 21, features: 34, corpus: 8, rss: 42, crashes: 0 };
        assert_eq!(Figures::of(log, false), expected);
        assert_eq!(Figures::of(log, false).row("http1").split_whitespace().nth(3), Some("2500"));
    }

    #[test]
    fn a_crash_is_counted_even_if_only_the_exit_code_tells() {
        assert_eq!(Figures::of("#9\tNEW    cov: 1 ft: 1 corp: 1/1b\n", true).crashes, 1);
        let log = "artifact_prefix='x/'; Test unit written to x/crash-1\n\
                   artifact_prefix='x/'; Test unit written to x/crash-2\n";
        assert_eq!(Figures::of(log, true).crashes, 2);
    }

    #[test]
    fn the_progress_of_several_processes_is_read() {
        let line = "#4096: cov: 20 ft: 33 corp: 7 exec/s: 2048 oom/timeout/crash: 0/0/0 time: 61s job: 3 dft_time: 0\n";
        let figures = Figures::of(line, false);
        assert_eq!((figures.executions, figures.seconds, figures.corpus), (4096, 61, 7));
    }
}
