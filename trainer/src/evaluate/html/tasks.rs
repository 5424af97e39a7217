//! The section of a task: its table, gains and curves.

use super::plots::{self, Interval, Series};
use super::text::{Table, count, escape, number, percent};
use crate::evaluate::calibration::AudienceCalibration;
use crate::evaluate::recommend::{Ablation, Exposure};
use crate::evaluate::report::{Method, Report, Role, Task};

/// Title of a task, plain text.
pub(super) fn title(task: &Task) -> &'static str {
    title_of(task.name)
}

/// The title of a task by its name.
pub(super) fn title_of(task: &str) -> &'static str {
    match task {
        "recommend" => "Items for people",
        "new_users" => "Items for new users",
        "audience" => "People for items",
        "cold_items" => "People for cold items",
        "cold_items_shown" => "Cold items for people",
        "session" => "The next item of a visit",
        _ => "Bundles",
    }
}

/// The main metric of a task.
pub(super) fn main_metric(task: &Task) -> &'static str {
    match task.name {
        "recommend" | "new_users" => "ndcg@10",
        "audience" | "cold_items" => "recall@100",
        "cold_items_shown" => "recall@20",
        _ => "hr@10",
    }
}

fn question(task: &Task) -> &'static str {
    match task.name {
        "recommend" => {
            "Users who bought before the window and in it. Their slate, from data before the window, is compared with \
             what they bought. <i>Repeat</i> counts items that the user had bought before; <i>new</i> is measured on a \
             slate that was asked for without those."
        }
        "new_users" => {
            "Users whose first basket is in the window; at most their place is known. Their slate is compared with that \
             basket."
        }
        "cold_items" => {
            "Items whose first sale is in the window, to at least three known users. Users are ranked by the attributes \
             of the item alone."
        }
        "cold_items_shown" => {
            "Users who bought before the window and buy an item in it that was never sold before. It is searched in a \
             slate that was asked for without bought items; <i>among cold</i> means among the items without sales of a \
             slate of 200."
        }
        "session" => {
            "Anonymous visits: of users left out of training, of guests and of new users. The next item of a visit is \
             predicted from the items before it."
        }
        "audience" => {
            "Items with at least ten buyers in the window. All users known before it are ranked by how likely they are \
             to buy; users that a method does not rank tie at the end. <i>Repeat</i> and <i>new</i> count buyers who had \
             and had not bought the item before."
        }
        _ => {
            "Baskets of two items or more in the window. One item is hidden, up to three times a basket, and predicted from \
             the others, the cart. Half of the ties rank before it."
        }
    }
}

/// The whole section.
pub(super) fn section(task: &Task, report: &Report) -> String {
    let mut parts = vec![
        format!("<section id=\"{0}\"><h2>{1}</h2><p>{2}</p>", task.name, title(task), question(task)),
        headline(task),
        gains(task),
        legend(task),
        curves(task),
        buyer_kinds(task),
    ];
    if task.name == "recommend" {
        parts.push(exposure(task));
        parts.extend(report.ablation.as_ref().map(ablation));
    }
    if task.name == "audience" {
        parts.extend(report.calibration.as_ref().map(calibration));
    }
    parts.push("</section>".to_owned());
    parts.concat()
}

/// The class of a method's color and line style, the same in every plot.
fn class(n: usize) -> String {
    format!("m{}", n.min(7))
}

fn headline(task: &Task) -> String {
    let cases = match task.of > task.cases {
        true => format!("{} cases, every n-th of {}", count(task.cases), count(task.of)),
        false => format!("{} cases", count(task.cases)),
    };
    let caption = format!("Means over {cases}. The best of each column is underlined.");
    let mut table = Table::new(&caption, ["method"].into_iter().chain(task.headline.iter().copied()));
    let best = |name: &str| task.methods.iter().filter_map(|m| m.mean(name)).fold(f64::MIN, f64::max);
    for method in &task.methods {
        let cell = |name: &&str| match method.mean(name) {
            Some(mean) if mean == best(name) && mean > 0.0 => format!("<b>{}</b>", number(mean)),
            Some(mean) => number(mean),
            None => String::new(),
        };
        table.row(method.role == Role::Ours, &method.name, task.headline.iter().map(cell));
    }
    table.html()
}

/// The gain of ours over every other method, by the main metric.
fn gains(task: &Task) -> String {
    let name = main_metric(task);
    let row = |method: &Method| -> Option<Interval> {
        let metric = method.metric(name)?;
        let versus = metric.versus.as_ref().filter(|_| metric.mean > 0.0)?;
        let [low, high] = versus.difference_95.map(|difference| difference / metric.mean);
        Some(Interval { name: format!("over {}", method.name), parts: [low, versus.ratio? - 1.0, high] })
    };
    let rows: Vec<Interval> = task.methods.iter().filter(|m| m.role != Role::Ours).filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let caption = format!("Gain of {} by {name}, with 95 % bootstrap intervals", task.methods[0].name);
    let svg = plots::intervals(&caption, &format!("difference of {name}, % of the other method's"), &rows);
    wide(&caption, &svg, &interval_table(&rows))
}

fn interval_table(rows: &[Interval]) -> Table {
    let mut table = Table::new("", ["", "difference", "from", "to"]);
    for row in rows {
        let [low, mid, high] = row.parts;
        table.row(false, &row.name, [mid, low, high].map(percent));
    }
    table
}

fn wide(caption: &str, svg: &str, table: &Table) -> String {
    let (caption, table) = (escape(caption), table.html());
    format!(
        "<figure class=\"wide\"><figcaption>{caption}</figcaption>{svg}<details><summary>Values</summary>{table}</details></figure>"
    )
}

fn legend(task: &Task) -> String {
    let entry = |(n, method): (usize, &Method)| {
        let (class, name) = (class(n), escape(&method.name));
        let first = if n == 0 { " class=\"first\"" } else { "" };
        format!(
            "<li{first}><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><line class=\"curve {class}\" x1=\"0\" y1=\"5\" x2=\"26\" y2=\"5\"/>\
             <circle class=\"mark {class}\" cx=\"13\" cy=\"5\" r=\"3\"/></svg>{name}</li>"
        )
    };
    let entries: String = task.methods.iter().enumerate().map(entry).collect();
    format!("<ul class=\"legend\">{entries}</ul>")
}

/// One plot for each metric that is measured at several lengths.
fn curves(task: &Task) -> String {
    let Some(ours) = task.methods.first() else { return String::new() };
    let measured: Vec<(&str, &str)> = ours.metrics.iter().filter_map(|m| m.name.split_once('@')).collect();
    let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
    for (family, k) in measured.into_iter().filter(|(_, k)| k.bytes().all(|b| b.is_ascii_digit())) {
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, lengths)) => lengths.push(k),
            None => families.push((family, vec![k])),
        }
    }
    let plot = |(family, lengths): &(&str, Vec<&str>)| {
        let labels: Vec<String> = lengths.iter().map(|k| (*k).to_owned()).collect();
        let values = |method: &Method| -> Vec<f64> {
            labels.iter().map(|k| method.mean(&format!("{family}@{k}")).unwrap_or(0.0)).collect()
        };
        let series = series(task, values);
        let caption = format!("{} over the first K", long_name(family));
        plot_with_data(&caption, &plots::lines(&caption, "K", &labels, &series), "K", &labels, &series)
    };
    let plots: String = families.iter().filter(|(_, lengths)| lengths.len() > 1).map(plot).collect();
    format!("<div class=\"plots\">{plots}</div>")
}

fn long_name(family: &str) -> &str {
    match family {
        "recall" => "Recall",
        "ndcg" => "NDCG",
        "hr" => "Hit rate",
        other => other,
    }
}

fn series(task: &Task, values: impl Fn(&Method) -> Vec<f64>) -> Vec<Series> {
    let one = |(n, method): (usize, &Method)| Series {
        name: method.name.clone(),
        class: class(n),
        values: values(method),
    };
    task.methods.iter().enumerate().map(one).collect()
}

fn plot_with_data(caption: &str, svg: &str, axis: &str, labels: &[String], series: &[Series]) -> String {
    let mut table = Table::new("", std::iter::once(axis).chain(labels.iter().map(String::as_str)));
    series.iter().for_each(|s| table.row(false, &s.name, s.values.iter().map(|v| number(*v))));
    format!(
        "<figure><figcaption>{}</figcaption>{svg}<details><summary>Values</summary>{}</details></figure>",
        escape(caption),
        table.html()
    )
}

/// Repeat and new buyers side by side, if the task separates them.
fn buyer_kinds(task: &Task) -> String {
    let Some(ours) = task.methods.first() else { return String::new() };
    let names: Vec<&str> = ours.metrics.iter().map(|m| m.name).collect();
    let shown = match task.name {
        "recommend" => ["ndcg@10 repeat", "ndcg@10 new", "recall@10 new"],
        _ => ["recall@100 repeat", "recall@100 new", "auc new"],
    };
    let plot = |name: &&str| {
        let series = series(task, |method| method.mean(name).into_iter().collect());
        format!("<figure><figcaption>{}</figcaption>{}</figure>", escape(name), plots::bars(name, &series))
    };
    let plots: String = shown.iter().filter(|name| names.contains(name)).map(plot).collect();
    if plots.is_empty() {
        return plots;
    }
    let mut table = Table::new("", ["method"].into_iter().chain(shown));
    for method in &task.methods {
        let cells = shown.iter().map(|name| number(method.mean(name).unwrap_or(f64::NAN)));
        table.row(method.role == Role::Ours, &method.name, cells);
    }
    format!(
        "<h3>Repeat and new</h3><div class=\"plots\">{plots}</div><details><summary>Values</summary>{}</details>",
        table.html()
    )
}

fn exposure(task: &Task) -> String {
    let all: Vec<(usize, &str, &Exposure)> = task
        .methods
        .iter()
        .enumerate()
        .filter_map(|(n, m)| Some((n, m.name.as_str(), m.exposure.as_ref()?)))
        .collect();
    let head = ["first 10 slots", "coverage", "Gini", "novelty, bits", "new items"];
    let caption = "Coverage: share of the items on sale that are in any slate. Gini: 0 if all are shown equally often. \
                   Novelty: mean self-information of the items shown.";
    let mut table = Table::new(caption, head);
    for (n, name, e) in &all {
        let cells = [e.coverage, e.gini, e.novelty, e.new_share].map(number);
        table.row(*n == 0, name, cells);
    }
    let labels: Vec<String> = (1..=10).map(|n| n.to_string()).collect();
    let tenths: Vec<Series> = all
        .iter()
        .map(|(n, name, e)| Series {
            name: (*name).to_owned(),
            class: class(*n),
            values: e.by_tenth.to_vec(),
        })
        .collect();
    let caption = "Share of the slots by tenth of the items, best sellers first";
    let x = "tenth of the items by sales";
    let coverage: Vec<Series> = all
        .iter()
        .map(|(n, name, e)| Series { name: (*name).to_owned(), class: class(*n), values: vec![e.coverage] })
        .collect();
    format!(
        "<h3>Exposure</h3>{}<div class=\"plots\">{}<figure><figcaption>Coverage</figcaption>{}</figure></div>",
        table.html(),
        plot_with_data(caption, &plots::lines(caption, x, &labels, &tenths), x, &labels, &tenths),
        plots::bars("Coverage", &coverage),
    )
}

/// Predicted probabilities against outcomes.
fn calibration(audiences: &AudienceCalibration) -> String {
    let calibration = &audiences.users;
    let caption = format!(
        "{} predictions; expected calibration error {}, Brier score {}",
        count(calibration.predictions),
        number(calibration.expected_error),
        number(calibration.brier)
    );
    let mut table = Table::new(&caption, ["probability from", "predictions", "mean predicted", "realized"]);
    for bin in &calibration.bins {
        let cells = [count(bin.predictions), number(bin.predicted), number(bin.realized)];
        table.row(false, &format!("{:.1}", bin.from), cells);
    }
    let first = audiences.first_100.as_ref().map_or_else(String::new, |first| {
        format!(
            "<p>Audiences of {} items with ten buyers or more before the window, sold in it or not; the first 1,000 users \
             of each. Among the first 100 of every audience, {} conversions were predicted and {} realized.</p>",
            count(first.lists),
            number(first.predicted),
            number(first.realized)
        )
    });
    let caption = "Realized share over predicted probability, by bin";
    format!(
        "<h3>Calibration of probabilities</h3>{first}<div class=\"beside\"><figure><figcaption>{caption}</figcaption>{}</figure>{}</div>",
        plots::reliability(caption, calibration),
        table.html()
    )
}

fn ablation(ablation: &Ablation) -> String {
    let whole = ablation.blend_ndcg_10.max(f64::MIN_POSITIVE);
    let row = |s: &crate::evaluate::SourceShare| Interval {
        name: s.source.to_owned(),
        parts: [s.adds_95[0] / whole, (ablation.blend_ndcg_10 - s.without) / whole, s.adds_95[1] / whole],
    };
    let rows: Vec<Interval> = ablation.sources.iter().map(row).collect();
    let caption = "What the blend loses without a source, by ndcg@10, with 95 % bootstrap intervals";
    let svg = plots::intervals(caption, "% of the whole blend's ndcg@10", &rows);
    let mut table = Table::new("", ["source", "weight", "ndcg@10 without it", "ndcg@10 of it alone"]);
    for s in &ablation.sources {
        table.row(false, s.source, [f64::from(s.weight), s.without, s.alone].map(number));
    }
    format!(
        "<h3>What each source adds</h3><p>The linear blend over {} users, without the ranker, whose trees read all \
         sources together. Its ndcg@10 with all sources is {}. Sources overlap: one that is good alone may add little to \
         the others.</p><figure class=\"wide\"><figcaption>{caption}</figcaption>{svg}\
         <details><summary>Values</summary>{}</details></figure>",
        count(ablation.cases),
        number(ablation.blend_ndcg_10),
        table.html()
    )
}
