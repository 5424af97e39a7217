//! Progress of long work in numbered stages: a bar with an ETA on a terminal, else one JSON line for each
//! finished stage. Both go to standard error, so that results can be piped.
//!
//! A [`Reporter`] with a [`plan`](Reporter::plan) numbers its stages: "step 3 of 14". The plan is the exact
//! number of stages, not an estimate; a stage without work is still a step.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The output of progress and the counter of steps, which clones share.
#[derive(Debug, Clone)]
pub struct Reporter {
    output: Output,
    plan: Option<Arc<Plan>>,
    /// Names of the enclosing parts, outermost first, such as "rehearsal 2 of 3".
    parts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Terminal,
    JsonLines,
    Silent,
}

#[derive(Debug)]
struct Plan {
    steps: usize,
    started: AtomicUsize,
}

impl Reporter {
    /// Bars when standard error is a terminal, JSON lines otherwise.
    pub fn new() -> Self {
        let output = if std::io::stderr().is_terminal() { Output::Terminal } else { Output::JsonLines };
        Self { output, plan: None, parts: Vec::new() }
    }

    /// Reports nothing: for work within a reported stage.
    pub fn silent() -> Self {
        Self { output: Output::Silent, plan: None, parts: Vec::new() }
    }

    /// Numbers the stages that follow, from 1 of `steps`.
    pub fn plan(&self, steps: usize) -> Self {
        let plan = Plan { steps, started: AtomicUsize::new(0) };
        Self { plan: Some(Arc::new(plan)), ..self.clone() }
    }

    /// A reporter for stages that are part of `name`, such as "rehearsal 2 of 3".
    pub fn part(&self, name: impl Into<String>) -> Self {
        let mut reporter = self.clone();
        reporter.parts.push(name.into());
        reporter
    }

    /// Reports a finding: one JSON line.
    pub fn note(&self, finding: &impl serde::Serialize) {
        if let (true, Ok(line)) = (self.output != Output::Silent, serde_json::to_string(finding)) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Starts a stage of `total` units of work (0: unknown).
    pub fn stage(&self, name: &'static str, total: u64) -> Stage {
        let step = self.plan.as_ref().map(|plan| {
            let step = plan.started.fetch_add(1, Ordering::Relaxed) + 1;
            debug_assert!(step <= plan.steps, "stage {name:?} is step {step} of a plan of {}", plan.steps);
            [step, plan.steps]
        });
        let title = Title { name, step, part: self.parts.join(", ") };
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if self.output == Output::Terminal {
            let template = match total {
                0 => "{msg:<56} {spinner} {human_pos} {elapsed}",
                _ => "{msg:<56} {wide_bar} {percent:>3}% {elapsed} eta {eta}",
            };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar.set_message(title.text());
        }
        Stage { bar, title, started: Instant::now(), output: self.output }
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self::new()
    }
}

/// The title of a stage.
#[derive(Debug)]
struct Title {
    name: &'static str,
    /// Number of the step and number of all steps; `None` without a plan.
    step: Option<[usize; 2]>,
    part: String,
}

impl Title {
    /// `step 3 of 14: transitions (rehearsal 1 of 3)`.
    fn text(&self) -> String {
        let step = self.step.map_or_else(String::new, |[step, of]| format!("step {step} of {of}: "));
        let part = if self.part.is_empty() { String::new() } else { format!(" ({})", self.part) };
        format!("{step}{}{part}", self.name)
    }

    /// `{"stage": "transitions", "step": 3, "of": 14, "part": "rehearsal 1 of 3", "seconds": 0.4}`.
    fn json(&self, seconds: f64) -> serde_json::Value {
        let mut line = serde_json::json!({"stage": self.name, "seconds": (seconds * 1e3).round() / 1e3});
        if let Some([step, of]) = self.step {
            line["step"] = step.into();
            line["of"] = of.into();
        }
        if !self.part.is_empty() {
            line["part"] = self.part.clone().into();
        }
        line
    }
}

/// A stage under way; it is reported when dropped.
#[derive(Debug)]
pub struct Stage {
    bar: ProgressBar,
    title: Title,
    started: Instant,
    output: Output,
}

impl Stage {
    /// Counts finished units of work.
    pub fn advance(&self, units: u64) {
        self.bar.inc(units);
    }

    /// Sets the units done and the units in all.
    pub fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let line = match self.output {
            Output::Silent => return,
            Output::Terminal => {
                self.bar.finish_and_clear();
                format!("{:<56} {seconds:>8.2} s", self.title.text())
            }
            Output::JsonLines => self.title.json(seconds).to_string(),
        };
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_a_plan_are_numbered_and_name_their_part() {
        let reporter = Reporter::silent().plan(2);
        drop(reporter.stage("read", 0));
        let stage = reporter.part("rehearsal 1 of 3").stage("transitions", 1);
        assert_eq!(stage.title.text(), "step 2 of 2: transitions (rehearsal 1 of 3)");
        let line = stage.title.json(0.25);
        let expected = serde_json::json!({
            "stage": "transitions", "step": 2, "of": 2, "part": "rehearsal 1 of 3", "seconds": 0.25
        });
        assert_eq!(line, expected);
        assert_eq!(Reporter::silent().stage("read", 0).title.text(), "read");
    }
}
