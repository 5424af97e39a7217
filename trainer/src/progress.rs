//! Progress of long work: bars with an ETA on a terminal, else one JSON line a finished stage.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress goes; standard error, so that results can be piped.
#[derive(Debug, Clone, Copy)]
pub struct Reporter {
    terminal: bool,
    silent: bool,
}

impl Reporter {
    /// Bars when standard error is a terminal, JSON lines otherwise.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), silent: false }
    }

    /// Says nothing: for work inside of work that reports itself.
    pub fn silent() -> Self {
        Self { terminal: false, silent: true }
    }

    /// Says what was found on the way: one JSON line.
    pub fn note(&self, finding: &impl serde::Serialize) {
        if let (false, Ok(line)) = (self.silent, serde_json::to_string(finding)) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Starts a stage of `total` steps (0: unknown).
    pub fn stage(&self, name: &'static str, total: u64) -> Stage {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if self.terminal {
            let template = "{msg:<24} {wide_bar} {percent:>3}% {elapsed} eta {eta}";
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        bar.set_message(name);
        Stage { bar, name, started: Instant::now(), reporter: *self }
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

/// A stage under way; it is reported when dropped.
#[derive(Debug)]
pub struct Stage {
    bar: ProgressBar,
    name: &'static str,
    started: Instant,
    reporter: Reporter,
}

impl Stage {
    /// Some steps further.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// At `done` of `total`.
    pub fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.reporter.silent {
            return;
        }
        if self.reporter.terminal {
            self.bar.finish_and_clear();
            let _ = writeln!(std::io::stderr(), "{:<24} {seconds:>8.2} s", self.name);
        } else {
            let line = serde_json::json!({"stage": self.name, "seconds": (seconds * 1e3).round() / 1e3});
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
