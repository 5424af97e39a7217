//! The report as one HTML file without scripts, external fonts or images.
//!
//! Every plot is an inline SVG with a table of its values. The page works on light and dark screens, on paper and
//! with a screen reader; line styles and labels carry the same information as colors. All text from data is escaped.

mod closing;
mod plots;
mod svg;
mod tasks;
mod text;

use self::text::{count, escape, number, percent};
use super::report::{Evaluation, Report, Task, Versus};
use super::table::day;

/// The whole report.
pub fn page(evaluation: &Evaluation) -> String {
    let report = &evaluation.latest;
    let title = format!("Qianmian: evaluation of {}", evaluation.provenance.shop);
    let sections: Vec<String> = report
        .tasks
        .iter()
        .map(|task| tasks::section(task, report))
        .chain(closing::windows(&evaluation.rolled))
        .chain(closing::examples(report))
        .chain([closing::repeat(evaluation)])
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n{}\n<main>\n{}\n</main>\n{}\n</body>\n</html>\n",
        escape(&title),
        include_str!("style.css"),
        header(evaluation),
        sections.join("\n"),
        footer(evaluation),
    )
}

fn header(evaluation: &Evaluation) -> String {
    let (report, provenance) = (&evaluation.latest, &evaluation.provenance);
    let subject = match &provenance.versions[..] {
        [] => "A model trained on all orders before the window".to_owned(),
        [one] => format!("Version {}", escape(one)),
        [first, rest @ ..] => format!("Version {} against {}", escape(first), escape(&rest.join(", "))),
    };
    let mut links: Vec<(&str, String)> =
        report.tasks.iter().map(|task| (task.name, tasks::title(task).to_owned())).collect();
    if !evaluation.rolled.is_empty() {
        links.push(("windows", "Over windows".to_owned()));
    }
    if !report.examples.is_empty() {
        links.push(("examples", "Examples".to_owned()));
    }
    links.push(("repeat", "How to repeat this".to_owned()));
    let links: String =
        links.iter().map(|(id, title)| format!("<li><a href=\"#{id}\">{title}</a></li>")).collect();
    format!(
        "<header><h1>Evaluation of {}</h1><p class=\"lead\">{subject}, measured on {}; \
         {} order lines, {} users, {} items. Every baseline ran on the same cases.</p>\
         <ul class=\"tiles\">{}</ul><nav aria-label=\"Sections\"><ul>{links}</ul></nav></header>",
        escape(&provenance.shop),
        window(report),
        count(provenance.lines),
        count(provenance.users),
        count(provenance.items),
        report.tasks.iter().filter_map(tile).collect::<String>(),
    )
}

/// `2011-09-01 to 2011-09-30`, both included.
fn window(report: &Report) -> String {
    let nowrap = |at| format!("<span class=\"nowrap\">{}</span>", day(at));
    format!("{} to {}", nowrap(report.window.from), nowrap(report.window.to - 1))
}

/// The main figure of a task.
fn tile(task: &Task) -> Option<String> {
    let metric = task.methods.first()?.metric(tasks::main_metric(task))?;
    let against = metric.versus.as_ref().map_or_else(String::new, verdict);
    Some(format!(
        "<li>{} <span class=\"soft\">{}</span><span class=\"figure\">{}</span><span class=\"against\">{against}</span></li>",
        tasks::title(task),
        escape(metric.name),
        number(metric.mean),
    ))
}

/// A difference and its interval in words.
fn verdict(versus: &Versus) -> String {
    let [low, high] = versus.difference_95;
    let (class, word) = match (low > 0.0, high < 0.0) {
        (true, _) => ("up", "above"),
        (_, true) => ("down", "below"),
        _ => ("open", "not significantly different from"),
    };
    let by = versus.ratio.map_or_else(String::new, |ratio| percent(ratio - 1.0));
    format!("<span class=\"{class}\">{by}</span> {word} {}", escape(&versus.other))
}

fn footer(evaluation: &Evaluation) -> String {
    format!(
        "<footer><p>Written by {}. Intervals are 95 % percentile bootstrap intervals of the mean paired \
         difference over cases, from 1,000 resamples.</p></footer>",
        escape(&evaluation.provenance.program)
    )
}
