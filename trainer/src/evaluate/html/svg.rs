//! SVG drawings that scale with their box, and linear scales.

use std::fmt::Write;

use super::text::escape;

/// A drawing of `width x height` units; colors and fonts come from the page's style.
#[derive(Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// The point of a text that is at the given position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn polyline(&mut self, class: &str, points: &[[f64; 2]]) {
        let points: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(self.body, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
    }

    pub(super) fn dot(&mut self, class: &str, [x, y]: [f64; 2], radius: f64, title: &str) {
        let title = escape(title);
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{title}</title></circle>"
        );
    }

    pub(super) fn bar(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2], title: &str) {
        let (width, title) = (width.max(0.5), escape(title));
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\"><title>{title}</title></rect>"
        );
    }

    pub(super) fn text(&mut self, class: &str, anchor: Anchor, [x, y]: [f64; 2], text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// The drawing, with `title` for screen readers.
    pub(super) fn html(&self, title: &str) -> String {
        format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {:.0} {:.0}\" width=\"{:.0}\" height=\"{:.0}\">{}</svg>",
            escape(title),
            self.width,
            self.height,
            self.width,
            self.height,
            self.body
        )
    }
}

/// A linear scale between two round values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Contains every value and 0, with about five ticks, drawn from `from` to `to`.
    pub(super) fn new(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let (low, high) = finite.fold((0.0f64, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
        let span = if high > low { high - low } else { 1.0 };
        let step = round_step(span / 4.0);
        let (low, high) = ((low / step).floor() * step, ((low + span).max(high) / step).ceil() * step);
        Self { low, high, step, from, to }
    }

    /// The position of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// The ticks, lowest first.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let n = ((self.high - self.low) / self.step).round() as usize;
        (0..=n).map(|n| self.low + n as f64 * self.step)
    }

    /// A tick with as many digits as the ticks need.
    pub(super) fn label(&self, tick: f64) -> String {
        let digits = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        let digits =
            if (self.step * 10f64.powi(digits as i32)).fract().abs() > 1e-6 { digits + 1 } else { digits };
        let tick = if tick.abs() < self.step / 1e6 { 0.0 } else { tick };
        format!("{tick:.digits$}").replace('-', "−")
    }
}

/// The nearest of 1, 2, 2.5 and 5 times a power of ten that is no smaller.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0].into_iter().find(|r| r * power >= step * 0.999);
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_round_values() {
        let scale = Scale::new([0.13, 0.37], 0.0, 100.0);
        let ticks: Vec<String> = scale.ticks().map(|t| scale.label(t)).collect();
        assert_eq!(ticks, ["0.0", "0.1", "0.2", "0.3", "0.4"]);
        assert!((scale.at(0.1) - 25.0).abs() < 1e-9);
        let signed = Scale::new([-3.0, 11.0], 0.0, 1.0);
        let ticks: Vec<String> = signed.ticks().map(|t| signed.label(t)).collect();
        assert_eq!(ticks, ["−5", "0", "5", "10", "15"]);
    }

    #[test]
    fn scales_without_values_are_finite() {
        for values in [vec![], vec![0.0], vec![f64::NAN]] {
            let scale = Scale::new(values, 0.0, 10.0);
            assert!(scale.ticks().count() > 1 && scale.at(0.0).is_finite());
        }
    }
}
