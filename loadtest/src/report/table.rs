//! A report as a table for a terminal.

use std::fmt::{Debug, Write};

use super::{LaneReport, Quantiles, Report};

/// A generator lag above this share of the median latency distorts the results.
const TOLERABLE_LAG: f64 = 0.1;

/// The whole report; no line break at its end.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = lane(&mut text, &report.main, &report.target);
    if let Some(beside) = &report.beside {
        let _ = writeln!(text, "\nbeside it:");
        let _ = lane(&mut text, beside, &report.target);
    }
    let _ = row(&mut text, "turns of the generator", &report.turn_us);
    if let Some(server) = &report.server {
        let _ = writeln!(
            text,
            "\n  server    {} of processor time a request, {:.2} cores, {:.0} MB resident (at most {:.0}), {:.0} anonymous",
            time(server.cpu_us_per_request),
            server.cores_used,
            server.resident_bytes as f64 / 1e6,
            server.peak_resident_bytes as f64 / 1e6,
            server.anonymous_bytes as f64 / 1e6
        );
    }
    for warning in warnings(&report.main) {
        let _ = writeln!(text, "\n  note: {warning}");
    }
    text.trim_end().to_owned()
}

fn lane(text: &mut String, lane: &LaneReport, target: &str) -> std::fmt::Result {
    let pace = lane
        .rate_asked
        .map_or("closed loop".to_owned(), |rate| format!("open loop at {rate:.1}/s ({})", lane.mode));
    writeln!(text, "{} at {target}", name(lane))?;
    writeln!(
        text,
        "{pace}, {} s after {} s of warm-up, {} connections, seed {}\n",
        lane.duration_seconds, lane.warmup_seconds, lane.connections, lane.seed
    )?;
    writeln!(
        text,
        "  sent      {} (and {} given up unsent, {} skipped)",
        lane.sent, lane.unsent, lane.skipped
    )?;
    writeln!(text, "  answered  {}: {}", lane.answered, list(&lane.statuses))?;
    writeln!(text, "  errors    {}", list(&lane.errors))?;
    writeln!(
        text,
        "  content   {} checked, {} short; wrong: {}",
        lane.checked,
        lane.short,
        list(&lane.flaws)
    )?;
    writeln!(
        text,
        "  rate      {:.1}/s answered, {:.1}/s with 2xx, {} within {}",
        lane.rate_reached,
        lane.goodput,
        lane.in_time,
        time(lane.limit_us)
    )?;
    writeln!(
        text,
        "  models    {} distinct: {}; {} answers named none\n",
        lane.distinct_model_versions,
        list(&lane.model_versions),
        lane.unversioned
    )?;
    writeln!(
        text,
        "  {:<24}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "count", "p50", "p90", "p99", "p99.9", "max"
    )?;
    rows(lane).iter().try_for_each(|(name, quantiles)| row(text, name, quantiles))
}

/// The scenario's name on the command line.
pub fn name(lane: &LaneReport) -> String {
    let name = serde_json::to_value(lane.scenario).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn rows(lane: &LaneReport) -> Vec<(String, Quantiles)> {
    let mut rows = vec![("latency".to_owned(), lane.latency_us)];
    if lane.calls_us.len() > 1 {
        rows.extend(lane.calls_us.iter().map(|(name, quantiles)| (format!("  {name}"), *quantiles)));
    }
    rows.push(("service time".to_owned(), lane.service_us));
    rows.extend((lane.refusals_us.count > 0).then_some(("refusals".to_owned(), lane.refusals_us)));
    rows.extend(lane.wait_us.map(|wait| ("connection wait".to_owned(), wait)));
    rows.extend(lane.lag_us.map(|lag| ("lag of the generator".to_owned(), lag)));
    rows
}

/// The warnings about the reliability of the numbers.
pub fn warnings(lane: &LaneReport) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(lag) = lane.lag_us
        && lag.p99 > TOLERABLE_LAG * lane.latency_us.p50
        && lag.p99 > 100.0
    {
        warnings.push(format!("the generator itself was late by {} at p99", time(lag.p99)));
    }
    if let Some(asked) = lane.rate_asked.filter(|asked| lane.rate_reached < 0.95 * asked) {
        warnings.push(format!("the server answered {:.1} of {asked:.1} a second", lane.rate_reached));
    }
    if lane.unsent > 0 {
        warnings.push(format!("{} requests were due but found no free connection in time", lane.unsent));
    }
    if lane.answered == 0 {
        warnings.push("nothing was answered".to_owned());
    }
    warnings
}

fn list<K: Debug, V: Debug>(counts: &std::collections::BTreeMap<K, V>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let each = counts.iter().map(|(name, count)| format!("{name:?} x {count:?}").replace('"', ""));
    each.collect::<Vec<_>>().join(", ")
}

fn row(text: &mut String, name: &str, quantiles: &Quantiles) -> std::fmt::Result {
    write!(text, "  {name:<24}{:>10}", quantiles.count)?;
    for us in [quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p99_9, quantiles.max] {
        write!(text, "{:>10}", time(us))?;
    }
    writeln!(text)
}

/// Three significant digits and a unit.
pub fn time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 999.5 => (us, "us"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_and_choose_their_unit() {
        for (us, text) in [
            (0.0, "0.00 us"),
            (1.234, "1.23 us"),
            (456.7, "457 us"),
            (999.6, "1.00 ms"),
            (56_780.0, "56.8 ms"),
            (1_234_567.0, "1.23 s"),
        ] {
            assert_eq!(time(us), text);
        }
    }

    #[test]
    fn counts_are_listed_by_name() {
        assert_eq!(list(&std::collections::BTreeMap::from([("v1", 4), ("v2", 2)])), "v1 x 4, v2 x 2");
        assert_eq!(list(&std::collections::BTreeMap::<u16, u64>::new()), "none");
    }
}
