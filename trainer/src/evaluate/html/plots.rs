//! The plots of a report.

use super::svg::{Anchor, Scale, Svg};
use super::text::{number, percent};
use crate::evaluate::calibration::Calibration;

/// Width of a plot that shares a row with others.
const NARROW: f64 = 340.0;
const WIDE: f64 = 720.0;

/// The values of a method; `class` is its color and line style, the same in every plot.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) values: Vec<f64>,
}

/// A line chart over labeled steps.
pub(super) fn lines(title: &str, x_title: &str, labels: &[String], series: &[Series]) -> String {
    let (left, right, top, bottom) = (44.0, NARROW - 10.0, 12.0, 196.0);
    let mut svg = Svg::new(NARROW, 236.0);
    let y = Scale::new(series.iter().flat_map(|s| s.values.iter().copied()), bottom, top);
    for tick in y.ticks() {
        svg.line("grid", [left, y.at(tick)], [right, y.at(tick)]);
        svg.text("tick", Anchor::End, [left - 6.0, y.at(tick) + 3.5], &y.label(tick));
    }
    let step = (right - left - 24.0) / (labels.len().max(2) - 1) as f64;
    let x = |n: usize| left + 12.0 + n as f64 * step;
    for (n, label) in labels.iter().enumerate() {
        svg.text("tick", Anchor::Middle, [x(n), bottom + 15.0], label);
    }
    svg.text("axis", Anchor::Middle, [(left + right) / 2.0, bottom + 33.0], x_title);
    // Our line is drawn last, so that no other line covers it.
    for series in series.iter().rev() {
        let points: Vec<[f64; 2]> = series.values.iter().enumerate().map(|(n, &v)| [x(n), y.at(v)]).collect();
        svg.polyline(&format!("curve {}", series.class), &points);
        for (point, (label, value)) in points.iter().zip(labels.iter().zip(&series.values)) {
            let told = format!("{}, {x_title} {label}: {}", series.name, number(*value));
            svg.dot(&format!("mark {}", series.class), *point, 2.6, &told);
        }
    }
    svg.html(title)
}

/// A bar chart with one labeled bar per row.
pub(super) fn bars(title: &str, rows: &[Series]) -> String {
    const ROW: f64 = 22.0;
    let (left, right) = (132.0, NARROW - 50.0);
    let mut svg = Svg::new(NARROW, 10.0 + ROW * rows.len() as f64);
    let value = |row: &Series| row.values.first().copied().unwrap_or(0.0);
    let x = Scale::new(rows.iter().map(value), left, right);
    for (n, row) in rows.iter().enumerate() {
        let (top, value) = (5.0 + n as f64 * ROW, value(row));
        svg.text("name", Anchor::End, [left - 8.0, top + 14.5], &row.name);
        let told = format!("{}: {}", row.name, number(value));
        svg.bar(&format!("bar {}", row.class), [left, top + 3.0], [x.at(value) - left, ROW - 6.0], &told);
        svg.text("value", Anchor::Start, [x.at(value) + 5.0, top + 14.5], &number(value));
    }
    svg.line("zero", [left, 3.0], [left, 7.0 + ROW * rows.len() as f64]);
    svg.html(title)
}

/// A difference with its interval.
pub(super) struct Interval {
    pub(super) name: String,
    /// Low, middle and high, as a share of the other method's value; 0.05 is 5 % more.
    pub(super) parts: [f64; 3],
}

/// Differences with their intervals around zero. A row far beyond the others would compress the scale, so it is
/// drawn as an arrow with its figures.
pub(super) fn intervals(title: &str, x_title: &str, rows: &[Interval]) -> String {
    const ROW: f64 = 24.0;
    let (left, right) = (205.0, WIDE - 165.0);
    let bottom = 12.0 + ROW * rows.len() as f64;
    let mut svg = Svg::new(WIDE, bottom + 44.0);
    let shown = rows.iter().filter(|row| !row.is_beyond(rows));
    let x = Scale::new(shown.flat_map(|row| row.parts).map(|v| 100.0 * v), left, right);
    for tick in x.ticks() {
        svg.line("grid", [x.at(tick), 6.0], [x.at(tick), bottom]);
        svg.text("tick", Anchor::Middle, [x.at(tick), bottom + 16.0], &x.label(tick));
    }
    svg.line("zero", [x.at(0.0), 4.0], [x.at(0.0), bottom + 3.0]);
    svg.text("axis", Anchor::Middle, [(left + right) / 2.0, bottom + 36.0], x_title);
    for (n, row) in rows.iter().enumerate() {
        let middle = 12.0 + (n as f64 + 0.5) * ROW;
        let [low, mid, high] = row.parts;
        svg.text("name", Anchor::End, [left - 10.0, middle + 4.0], &row.name);
        if row.is_beyond(rows) {
            svg.text("beyond", Anchor::End, [right, middle + 5.0], "→");
        } else {
            let class = if low > 0.0 {
                "up"
            } else if high < 0.0 {
                "down"
            } else {
                "open"
            };
            svg.line(&format!("whisker {class}"), [x.at(100.0 * low), middle], [x.at(100.0 * high), middle]);
            svg.dot(&format!("mid {class}"), [x.at(100.0 * mid), middle], 4.5, &row.name);
        }
        let ends = [low, high].map(|end| percent(end).replace(" %", ""));
        let label = format!("{} [{}, {}]", percent(mid), ends[0], ends[1]);
        svg.text("value", Anchor::Start, [right + 10.0, middle + 4.0], &label);
    }
    svg.html(title)
}

impl Interval {
    /// True if it is positive, more than six times as far from zero as the nearest of `rows`, and more than 30 %.
    fn is_beyond(&self, rows: &[Self]) -> bool {
        let reach = |row: &Self| row.parts.iter().fold(0.0f64, |most, part| most.max(part.abs()));
        let nearest = rows.iter().map(reach).fold(f64::INFINITY, f64::min);
        self.parts[0] > 0.0 && reach(self) > (6.0 * nearest).max(0.3)
    }
}

/// Realized shares over predicted probabilities; on the diagonal both are equal.
pub(super) fn reliability(title: &str, calibration: &Calibration) -> String {
    let (left, right, top, bottom) = (44.0, NARROW - 10.0, 12.0, 278.0);
    let mut svg = Svg::new(NARROW, 320.0);
    let both = calibration.bins.iter().flat_map(|bin| [bin.predicted, bin.realized]);
    let values: Vec<f64> = both.collect();
    let (x, y) =
        (Scale::new(values.iter().copied(), left, right), Scale::new(values.iter().copied(), bottom, top));
    let end = x.ticks().last().unwrap_or(1.0);
    for tick in y.ticks() {
        svg.line("grid", [left, y.at(tick)], [right, y.at(tick)]);
        svg.text("tick", Anchor::End, [left - 6.0, y.at(tick) + 3.5], &y.label(tick));
        svg.text("tick", Anchor::Middle, [x.at(tick), bottom + 15.0], &x.label(tick));
    }
    svg.line("ideal", [x.at(0.0), y.at(0.0)], [x.at(end), y.at(end)]);
    svg.text("axis", Anchor::Middle, [(left + right) / 2.0, bottom + 33.0], "predicted probability");
    let most = calibration.bins.iter().map(|bin| bin.predictions).max().unwrap_or(1) as f64;
    let points: Vec<[f64; 2]> =
        calibration.bins.iter().map(|bin| [x.at(bin.predicted), y.at(bin.realized)]).collect();
    svg.polyline("curve m0", &points);
    for (bin, point) in calibration.bins.iter().zip(&points) {
        let told = format!(
            "predicted {}, realized {}, {} predictions",
            number(bin.predicted),
            number(bin.realized),
            bin.predictions
        );
        // The radius grows with the logarithm of the count, since nearly all predictions are in the lowest bins.
        let radius = 3.0 + 4.0 * (1.0 + bin.predictions as f64).ln() / (1.0 + most).ln();
        svg.dot("mark m0", *point, radius, &told);
    }
    svg.html(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, mid: f64, high: f64) -> Interval {
        Interval { name: format!("over {mid}"), parts: [low, mid, high] }
    }

    #[test]
    fn row_far_beyond_the_others_becomes_an_arrow() {
        let rows = [interval(0.02, 0.05, 0.08), interval(-0.1, 0.0, 0.1), interval(8.0, 9.0, 10.0)];
        assert_eq!(rows.iter().map(|row| row.is_beyond(&rows)).collect::<Vec<_>>(), [false, false, true]);
        let svg = intervals("gain", "%", &rows);
        assert_eq!(svg.matches('→').count(), 1);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("+900.0 % [+800.0, +1000.0]"), "{svg}");
    }

    #[test]
    fn plot_has_a_mark_for_every_value_and_finite_positions() {
        let series = |name: &str, values: &[f64]| Series {
            name: name.to_owned(),
            class: "m0".to_owned(),
            values: values.to_vec(),
        };
        let labels = ["1", "5", "10"].map(str::to_owned);
        let svg =
            lines("a <b>", "K", &labels, &[series("x", &[0.1, 0.2, 0.3]), series("y", &[0.0, 0.0, 0.0])]);
        assert_eq!(svg.matches("<circle").count(), 6);
        assert!(svg.contains("aria-label=\"a &lt;b&gt;\"") && !svg.contains("NaN"), "{svg}");
        assert_eq!(bars("b", &[series("x", &[0.5]), series("y", &[])]).matches("<rect").count(), 2);
    }
}
