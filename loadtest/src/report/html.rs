//! A report as one self-contained HTML page: the latency curves as SVG, and the table.
//!
//! Both axes are logarithmic. The horizontal one is 1 / (1 - share), so that each decade of the tail
//! (p90, p99, p99.9, ...) has the same width.

use super::table::{name, table, time};
use super::{Curve, LaneReport, Report};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
/// Room for the labels of the axes.
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 50.0;
const TOP: f64 = 10.0;
const COLORS: [&str; 8] =
    ["#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#0a7ea4", "#57606a"];
const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#1f2328}\
pre{background:#f6f8fa;padding:1em;overflow-x:auto}svg{width:100%;height:auto}text{font-size:13px;fill:#57606a}";

/// The page.
pub fn page(report: &Report) -> String {
    let curves = curves(report);
    let title = format!("Load test: {}", name(&report.main));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p>Latency from the scheduled send time, by the share of answers that it covers.</p>\n\
         {}{}\n<pre>{}</pre>\n</html>\n",
        plot(&curves),
        legend(&curves),
        escape(&table(report))
    )
}

fn curves(report: &Report) -> Vec<(String, &Curve)> {
    let of_lane = |lane: &'_ LaneReport, prefix: &str| -> Vec<(String, usize)> {
        let calls = if lane.call_curves.len() > 1 { lane.call_curves.len() } else { 0 };
        (0..=calls).map(|n| (prefix.to_owned(), n)).collect()
    };
    let mut curves = Vec::new();
    for (lane, prefix) in [(Some(&report.main), ""), (report.beside.as_ref(), "beside: ")] {
        let Some(lane) = lane else { continue };
        for (prefix, n) in of_lane(lane, prefix) {
            match n.checked_sub(1).and_then(|n| lane.call_curves.iter().nth(n)) {
                None => curves.push((format!("{prefix}{}", name(lane)), &lane.latency_curve)),
                Some((call, curve)) => curves.push((format!("{prefix}{call}"), curve)),
            }
        }
    }
    curves.retain(|(_, curve)| !curve.is_empty());
    curves
}

/// Maps shares and microseconds to the drawing.
struct Scale {
    decades: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(curves: &[(String, &Curve)]) -> Self {
        let points = || curves.iter().flat_map(|(_, curve)| curve.iter());
        let decades = points().map(|(share, _)| -(1.0 - share).log10()).fold(1.0, f64::max);
        // A share like 0.9999 is a little more than four decades in floating point.
        let decades = (decades - 1e-6).ceil();
        let low = points().map(|(_, us)| us.max(1.0).log10()).fold(f64::INFINITY, f64::min).floor();
        let high = points().map(|(_, us)| us.max(1.0).log10()).fold(0.0, f64::max).ceil();
        let low = if low.is_finite() { low } else { 0.0 };
        Self { decades, low, high: high.max(low + 1.0) }
    }

    fn x(&self, share: f64) -> f64 {
        LEFT + -(1.0 - share).log10() / self.decades * (WIDTH - LEFT - 10.0)
    }

    fn y(&self, us: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - (us.max(1.0).log10() - self.low) / (self.high - self.low))
    }
}

fn plot(curves: &[(String, &Curve)]) -> String {
    let scale = Scale::of(curves);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"latency curves\">");
    for exponent in scale.low as i32..=scale.high as i32 {
        let us = 10f64.powi(exponent);
        let y = scale.y(us);
        svg += &line(LEFT, y, WIDTH - 10.0, y);
        svg += &format!(
            "<text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\" dy=\"4\">{}</text>",
            LEFT - 8.0,
            time(us)
        );
    }
    for decade in 0..=scale.decades as i32 {
        let share = 1.0 - 10f64.powi(-decade);
        let (x, bottom) = (scale.x(share), HEIGHT - BOTTOM);
        svg += &line(x, TOP, x, bottom);
        let percent = format!("{:.*}", (decade - 2).max(0) as usize, share * 100.0);
        svg +=
            &format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{percent} %</text>", bottom + 20.0);
    }
    for ((_, curve), color) in curves.iter().zip(COLORS.iter().cycle()) {
        let points: Vec<String> =
            curve.iter().map(|(share, us)| format!("{:.1},{:.1}", scale.x(*share), scale.y(*us))).collect();
        let points = points.join(" ");
        svg +=
            &format!("<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
    }
    svg + "</svg>\n"
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#d8dee4\"/>")
}

fn legend(curves: &[(String, &Curve)]) -> String {
    let entries = curves.iter().zip(COLORS.iter().cycle()).map(|((name, _), color)| {
        format!("<span style=\"color:{color}\">&#9632;</span> {}&emsp;", escape(name))
    });
    format!("<p>{}</p>", entries.collect::<String>())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axes_hold_every_point() {
        let curve: Curve = vec![(0.0, 80.0), (0.5, 120.0), (0.9999, 45_000.0)];
        let curves = [("recommend".to_owned(), &curve)];
        let scale = Scale::of(&curves);
        assert_eq!((scale.decades, scale.low, scale.high), (4.0, 1.0, 5.0));
        for (share, us) in &curve {
            assert!((LEFT..=WIDTH).contains(&scale.x(*share)));
            assert!((TOP..=HEIGHT - BOTTOM).contains(&scale.y(*us)));
        }
        let svg = plot(&curves);
        assert!(svg.contains("99.99 %") && svg.contains("100 ms") && svg.contains("<polyline"), "{svg}");
    }

    #[test]
    fn an_empty_run_still_draws_its_axes() {
        assert!(plot(&[]).contains("</svg>"));
    }

    #[test]
    fn text_cannot_break_the_page() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
