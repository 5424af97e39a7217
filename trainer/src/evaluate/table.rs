//! A report as tables on the terminal.

use std::fmt;

use comfy_table::{Table, presets};

use super::calibration::{AudienceCalibration, Calibration, Conversions};
use super::report::{Evaluation, Report, Role, Task, Versus};
use super::windows::Rolled;

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.earlier.is_empty() {
            writeln!(f, "window from {}", day(self.latest.window.from))?;
        }
        write!(f, "{}", self.latest)?;
        for report in &self.earlier {
            writeln!(f, "window from {}\n{report}", day(report.window.from))?;
        }
        self.rolled.iter().try_for_each(|rolled| writeln!(f, "{rolled}"))
    }
}

impl fmt::Display for Rolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} over {} windows", self.task, self.windows.len())?;
        let mut table = plain();
        table.set_header(["window from", "cases"].into_iter().chain(self.metrics.iter().copied()));
        for window in &self.windows {
            let values = window.ours.iter().zip(&window.ratios).map(|(value, ratio)| {
                let ratio = ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
                format!("{value:.4} x{ratio}")
            });
            table.add_row([day(window.from), window.cases.to_string()].into_iter().chain(values));
        }
        for method in &self.means {
            let values = method.means.iter().map(|mean| format!("{mean:.4}"));
            table.add_row([format!("mean: {}", method.name), String::new()].into_iter().chain(values));
        }
        writeln!(f, "{table}")
    }
}

impl fmt::Display for AudienceCalibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calibration { predictions, expected_error, brier, .. } = &self.users;
        write!(
            f,
            "probabilities: {predictions}; expected calibration error {expected_error:.4}; Brier {brier:.4}"
        )?;
        let Some(first) = &self.first_100 else { return Ok(()) };
        let Conversions { lists, predicted, realized, ratio, .. } = first;
        write!(
            f,
            "\nfirst 100 of {lists} audiences: {predicted:.0} conversions predicted, {realized:.0} realized"
        )?;
        ratio.map_or(Ok(()), |ratio| write!(f, " (x{ratio:.3})"))
    }
}

/// `2011-10-01`.
pub(super) fn day(at: i64) -> String {
    chrono::DateTime::from_timestamp(at, 0)
        .map_or_else(|| at.to_string(), |t| t.format("%Y-%m-%d").to_string())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for task in &self.tasks {
            writeln!(f, "{}", task.title())?;
            writeln!(f, "{}\n", task.table())?;
            if let Some(exposure) = exposure(task) {
                writeln!(f, "{exposure}\n")?;
            }
            if let Some(calibration) = self.calibration.as_ref().filter(|_| task.name == "audience") {
                writeln!(f, "{calibration}\n")?;
            }
        }
        Ok(())
    }
}

impl Task {
    /// `recommend (957 cases)`, with the number of all cases if only a sample was measured.
    pub fn title(&self) -> String {
        if self.of > self.cases {
            return format!("{} ({} cases, every n-th of {})", self.name, self.cases, self.of);
        }
        format!("{} ({} cases)", self.name, self.cases)
    }

    fn table(&self) -> Table {
        let mut table = plain();
        table.set_header(std::iter::once("method").chain(self.headline.iter().copied()));
        for method in &self.methods {
            let values =
                self.headline.iter().map(|name| format!("{:.4}", method.mean(name).unwrap_or(f64::NAN)));
            table.add_row(std::iter::once(method.name.clone()).chain(values));
        }
        for method in self.methods.iter().filter(|m| matches!(m.role, Role::Ours | Role::Rival)) {
            let label = if method.role == Role::Ours { "the best baseline" } else { &method.name };
            let versus = self.headline.iter().map(|name| {
                method.metric(name).and_then(|m| m.versus.as_ref()).map_or_else(String::new, describe)
            });
            table.add_row(std::iter::once(format!("  over {label}")).chain(versus));
        }
        table
    }
}

/// `x1.085 [+0.0101 +0.0322]`.
fn describe(versus: &Versus) -> String {
    let ratio = versus.ratio.map_or_else(|| "x-".to_owned(), |ratio| format!("x{ratio:.3}"));
    format!("{ratio} [{:+.4} {:+.4}]", versus.difference_95[0], versus.difference_95[1])
}

/// The exposure of every method, if the task has slates.
fn exposure(task: &Task) -> Option<Table> {
    let mut table = plain();
    table.set_header(["first 10 slots", "coverage", "gini", "novelty (bits)", "new items"]);
    for method in &task.methods {
        let e = method.exposure.as_ref()?;
        let values = [e.coverage, e.gini, e.novelty, e.new_share].map(|v| format!("{v:.4}"));
        table.add_row(std::iter::once(method.name.clone()).chain(values));
    }
    Some(table)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}
