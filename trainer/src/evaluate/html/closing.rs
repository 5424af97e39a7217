//! The sections after the tasks: windows, examples, and the steps to repeat the evaluation.

use super::tasks::title_of;
use super::text::{Table, count, escape, number, percent};
use crate::evaluate::recommend::{Example, Shown};
use crate::evaluate::report::{Evaluation, Report, Role};
use crate::evaluate::table::day;
use crate::evaluate::windows::Rolled;

/// Every task over all windows; `None` for a single window.
pub(super) fn windows(rolled: &[Rolled]) -> Option<String> {
    let tables: String = rolled.iter().map(window_tables).collect();
    let intro = "A single window may be lucky or unlucky. Each was measured by itself, with a model of the data before it; \
                 the percentage is the gain over that window's best baseline.";
    (!rolled.is_empty())
        .then(|| format!("<section id=\"windows\"><h2>Over windows</h2><p>{intro}</p>{tables}</section>"))
}

fn window_tables(rolled: &Rolled) -> String {
    let head = ["window from", "cases"].into_iter().chain(rolled.metrics.iter().copied());
    let mut table = Table::new(&format!("{}, window by window", title_of(rolled.task)), head);
    for window in &rolled.windows {
        let value = |(value, ratio): (&f64, &Option<f64>)| {
            let gain = ratio
                .map_or_else(String::new, |r| format!(" <span class=\"soft\">{}</span>", percent(r - 1.0)));
            format!("{}{gain}", number(*value))
        };
        let cells = window.ours.iter().zip(&window.ratios).map(value);
        table.row(false, &day(window.from), std::iter::once(count(window.cases)).chain(cells));
    }
    let mut means =
        Table::new("Mean over the windows", ["method"].into_iter().chain(rolled.metrics.iter().copied()));
    for method in &rolled.means {
        means.row(method.role == Role::Ours, &method.name, method.means.iter().map(|mean| number(*mean)));
    }
    format!("{}{}", table.html(), means.html())
}

/// The example users, if there are any.
pub(super) fn examples(report: &Report) -> Option<String> {
    let all: String = report.examples.iter().map(example).collect();
    let intro = "Users at fixed percentiles of the NDCG of their slates, from the 95th to the 5th; none was picked by hand. \
                 Green and ✓: shown, and bought in the window. ↻: bought before the window.";
    (!report.examples.is_empty())
        .then(|| format!("<section id=\"examples\"><h2>Examples</h2><p>{intro}</p>{all}</section>"))
}

fn example(example: &Example) -> String {
    let list = |shown: &[Shown]| -> String { shown.iter().map(item).collect() };
    let plain =
        |shown: &[Shown]| -> String { shown.iter().map(|s| format!("<li>{}</li>", name(s))).collect() };
    let more = example.bought_count.saturating_sub(example.bought.len());
    let more =
        if more > 0 { format!("<li class=\"tag\">and {} more</li>", count(more)) } else { String::new() };
    format!(
        "<article class=\"example\"><h3>User {} <span class=\"tag\">ndcg@10 {}, better than {:.0} % of users</span></h3>\
         <div class=\"columns\"><div><h4>Last bought before the window</h4><ul>{}</ul></div>\
         <div><h4>Slate</h4><ol>{}</ol></div><div><h4>Bought in the window: {}</h4><ul>{}{more}</ul></div></div></article>",
        escape(&example.user),
        number(example.ndcg_10),
        100.0 * example.quantile,
        plain(&example.before),
        list(&example.slate),
        count(example.bought_count),
        list(&example.bought),
    )
}

fn name(shown: &Shown) -> String {
    match &shown.title {
        Some(title) => format!("{} <span class=\"tag\">{}</span>", escape(title), escape(&shown.item)),
        None => escape(&shown.item),
    }
}

fn item(shown: &Shown) -> String {
    let before =
        if shown.bought_before { "&nbsp;<span class=\"tag\" title=\"bought before\">↻</span>" } else { "" };
    match shown.hit {
        true => format!("<li><span class=\"hit\">✓ {}</span>{before}</li>", name(shown)),
        false => format!("<li>{}{before}</li>", name(shown)),
    }
}

/// The command, the data and the baselines.
pub(super) fn repeat(evaluation: &Evaluation) -> String {
    let provenance = &evaluation.provenance;
    let mut files = Table::new("Files", ["file", "bytes", "blake3"]);
    for file in &provenance.files {
        let hash = format!("<code>{}</code>", escape(&file.blake3));
        files.row(false, &file.path.display().to_string(), [count(file.bytes as usize), hash]);
    }
    let trained = match &provenance.versions[..] {
        [] => format!(
            "A model was trained for each window on all orders before it, with seed {}; no data of the window were used for \
             training or for choosing parameters.",
            provenance.seed
        ),
        versions => format!(
            "Stored versions: {}. It was checked that each was trained on orders before the window. The baselines learned \
             from all orders before it.",
            escape(&versions.join(", "))
        ),
    };
    format!(
        "<section id=\"repeat\"><h2>How to repeat this</h2><pre><code>{}</code></pre>\
         <p>The same command on the same files gives the same figures. {trained} The orders span {} to {}. The random \
         choices of the evaluation (hidden items, resamples) have a fixed seed. <code>--json FILE</code> writes every \
         figure of this page.</p>{}<h3>Baselines</h3>{}</section>",
        escape(&provenance.command),
        day(provenance.data[0]),
        day(provenance.data[1] - 1),
        files.html(),
        BASELINES
    )
}

const BASELINES: &str = "<p>Parameters are those of the papers or of their authors' code; none was tuned on these data.</p><ul>\
<li><b>popularity 30 d</b>: baskets of the last 30 days. <b>personal frequency</b>: how often, then how recently, the user bought the item.</li>\
<li><b>UP-CF@r</b> (Faggioli, Polato, Aiolli 2020): r 25, asymmetry 0.25, locality 5, the nearest 1,000 users.</li>\
<li><b>TIFUKNN</b> (Hu, He, Gao, Zhang 2020): 7 groups, decays 0.9 and 0.7, 300 neighbors, own weight 0.7.</li>\
<li><b>ALS</b> (Hu, Koren, Volinsky 2008): the inner product of the vectors; for carts, the cosine of item vectors.</li>\
<li><b>activity (RF)</b>: log of baskets, halved for every 90 days without a purchase. <b>RFM tiers</b>: the sum of the quintiles of recency, frequency and spending.</li>\
<li><b>co-purchase profile</b>: the sum of the co-purchase cosines between the item and those the user bought.</li>\
<li><b>cosine</b>, <b>lift</b> (pairs of three baskets and more), <b>LLR</b> (Dunning 1993): summed over the cart, from full pair counts.</li></ul>";
