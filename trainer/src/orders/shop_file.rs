//! Writes a commented configuration for a shop's files, with the findings in numbers.

use super::statuses::Status;
use super::summary::Summary;
use super::warnings::Code;
use crate::config::{Column, Config, Format, Header, OrderColumn};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The configuration's text. `config` was used for reading, `summary` is the result; detected columns, encodings and
/// options are written down, so that the next run guesses nothing. `name` gives the name of a file for the
/// configuration.
pub fn write(config: &Config, summary: &Summary, name: &dyn Fn(&str) -> String) -> String {
    let mut text = String::from(
        "# What was understood of these files, and how they are read. Check it, correct it, train on it.\n# Every field is \
         described in docs/orders.md.\n\n",
    );
    let _ = writeln!(text, "shop = {}\n", quoted(&config.shop));
    match &config.events {
        Some(events) if config.orders.files.is_empty() => {
            text.push_str("# There are no orders: purchases come from the events.\n[events]\n");
            let account = summary.events.as_ref();
            let _ = writeln!(text, "files = [{}]", list(&events.files, name));
            if let Some(account) = account {
                format_lines(
                    &mut text,
                    None,
                    events.delimiter.as_ref(),
                    events.header.as_ref(),
                    &account.understood,
                );
                columns(&mut text, "events", &events.columns, &account.understood);
                let types: Vec<String> =
                    account.types.iter().map(|(name, count)| format!("{name} {count}")).collect();
                let _ = writeln!(text, "# types: {}", types.join(", "));
                let _ = writeln!(
                    text,
                    "# purchases {}, refunds {}, of {} rows",
                    account.purchases, account.refunds, account.rows_read
                );
            }
        }
        _ => orders(&mut text, config, summary, name),
    }
    if config.items.as_ref().is_some_and(|items| items.from_orders) {
        text.push_str(
            "\n# Titles, categories and brands stand beside the orders.\n[items]\nfrom_orders = true\n",
        );
    }
    text
}

fn orders(text: &mut String, config: &Config, summary: &Summary, name: &dyn Fn(&str) -> String) {
    let orders = &config.orders;
    text.push_str("[orders]\n");
    let _ = writeln!(text, "files = [{}]", list(&orders.files, name));
    format_lines(text, orders.format, orders.delimiter.as_ref(), orders.header.as_ref(), &summary.understood);
    columns(text, "orders", &orders.columns, &summary.understood);
    if let Some(format) = &summary.time_format {
        let _ = writeln!(text, "# times: {format}");
        match &orders.time_zone {
            Some(zone) => drop(writeln!(text, "time_zone = {}", quoted(zone))),
            None => text.push_str(
                "# time_zone = \"Asia/Shanghai\"    # of times that carry no zone; UTC without it\n",
            ),
        }
    }
    choices(text, config, summary);
    statuses(text, &summary.statuses);
    rules(text, config);
    text.push_str("\n# What is doubtful:\n");
    for warning in &summary.warnings {
        let _ = writeln!(text, "#   {warning}");
    }
    if summary.warnings.is_empty() {
        text.push_str("#   nothing\n");
    }
}

/// The fields of the files' format.
fn format_lines(
    text: &mut String,
    format: Option<Format>,
    delimiter: Option<&String>,
    header: Option<&Header>,
    understood: &[super::source::FileFacts],
) {
    for facts in understood.iter().take(10) {
        let _ = writeln!(text, "# {}: {}", facts.file, facts.written);
    }
    if let Some(format) = format {
        let _ = writeln!(text, "format = {}", quoted(format.name()));
    }
    let Some(first) = understood.first() else { return };
    // A property that differs between files is not written, so each file's content decides.
    let same =
        |of: fn(&super::source::FileFacts) -> String| understood.iter().all(|facts| of(facts) == of(first));
    if let Some(encoding) =
        first.encoding.as_ref().filter(|_| same(|facts| facts.encoding.clone().unwrap_or_default()))
    {
        let _ = writeln!(text, "encoding = {}", quoted(encoding));
    }
    let told = first.delimiter.as_ref().filter(|_| same(|facts| facts.delimiter.clone().unwrap_or_default()));
    if let Some(delimiter) = delimiter.or(told) {
        let _ = writeln!(text, "delimiter = {}", quoted(delimiter));
    }
    if header == Some(&Header::Line(false)) || !first.has_header {
        text.push_str("header = false    # columns are called 1, 2, 3 ...\n");
    }
    if first.lines_before > 0 && same(|facts| facts.lines_before.to_string()) {
        let _ = writeln!(text, "skip_lines = {}", first.lines_before);
    }
}

/// The source columns of each canonical one; different names in different files become alternatives.
fn columns(
    text: &mut String,
    table: &str,
    named: &BTreeMap<String, Column>,
    understood: &[super::source::FileFacts],
) {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (canonical, sources, _) in understood.iter().flat_map(|facts| &facts.columns) {
        if let Some((of, column)) = canonical.split_once('.')
            && of == table
            && OrderColumn::named(column).is_some_and(|_| table == "orders") | (table == "events")
        {
            let known = found.entry(column).or_default();
            sources
                .iter()
                .filter(|source| sources.len() < 5 && !known.contains(source))
                .cloned()
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|source| known.push(source));
        }
    }
    for (column, sources) in named {
        found.insert(column, sources.names().to_vec());
    }
    found.retain(|_, sources| !sources.is_empty());
    if found.is_empty() {
        return;
    }
    text.push_str("columns = {");
    for (n, (column, sources)) in found.iter().enumerate() {
        let value = match sources.as_slice() {
            [one] => quoted(one),
            many => format!("[{}]", many.iter().map(|source| quoted(source)).collect::<Vec<_>>().join(", ")),
        };
        let _ = write!(text, "{}{column} = {value}", if n == 0 { " " } else { ", " });
    }
    text.push_str(" }\n");
    let unused = understood.first().map(|facts| facts.unused.clone()).unwrap_or_default();
    if !unused.is_empty() {
        let shown: Vec<String> = unused.iter().take(30).map(|name| quoted(name)).collect();
        let _ = writeln!(text, "# not read: {}", shown.join(", "));
    }
}

/// The options detected from the content.
fn choices(text: &mut String, config: &Config, summary: &Summary) {
    let orders = &config.orders;
    let mut told = |code: Code, line: String| {
        if let Some(warning) = summary.warnings.iter().find(|warning| warning.code == code) {
            let _ = writeln!(text, "# {}\n{line}", warning.text);
        }
    };
    told(
        Code::NoOrderIds,
        if summary.time_format.is_some() {
            "baskets = \"day\"".to_owned()
        } else {
            "# baskets = \"day\"".to_owned()
        },
    );
    if let Some(filled) = &summary.filled_down {
        let names: Vec<String> = filled.iter().map(|name| quoted(name)).collect();
        told(Code::FilledDown, format!("fill_down = [{}]", names.join(", ")));
    }
    if let Some(separator) = &summary.split {
        told(Code::ListsSplit, format!("split = {}", quoted(separator)));
        told(Code::ItemsLookLikeLists, format!("# split = {}", quoted(separator)));
    }
    told(Code::EqualLines, "equal_lines = \"pieces\"".to_owned());
    told(Code::DecimalComma, "decimal = \",\"".to_owned());
    if !summary.float_columns.is_empty() {
        let pairs: Vec<String> =
            summary.float_columns.iter().map(|name| format!("{name} = \"strip_decimal\"")).collect();
        told(Code::IdsThroughFloat, format!("normalise = {{ {} }}", pairs.join(", ")));
    }
    told(Code::FreeLines, "# free_lines = \"drop\"".to_owned());
    told(Code::OutsizedPerson, "# outsized = \"guest\"".to_owned());
    if summary.has(Code::NoTimes) || (summary.time_format.is_none() && orders.timeless) {
        text.push_str("timeless = true\n");
    }
}

fn statuses(text: &mut String, statuses: &BTreeMap<String, Status>) {
    if statuses.is_empty() {
        return;
    }
    text.push_str("\n# Statuses, with their rows and the lines of the first ones:\n");
    for (word, status) in statuses.iter().filter(|(_, status)| status.known).take(40) {
        let _ = writeln!(text, "#   {} = {:?}    {}", quoted(word), status.meaning, rows_of(status));
    }
    let unknown: Vec<_> = statuses.iter().filter(|(_, status)| !status.known).take(40).collect();
    if !unknown.is_empty() {
        text.push_str("# These are not known; say \"bought\", \"cancelled\" or \"returned\":\n");
        for (word, status) in &unknown {
            let _ = writeln!(text, "#   {}    {}", quoted(word), rows_of(status));
        }
        let pairs: Vec<String> =
            unknown.iter().map(|(word, status)| format!("{} = {:?}", quoted(word), status.meaning)).collect();
        let _ = writeln!(text, "statuses = {{ {} }}", pairs.join(", "));
    }
}

fn rows_of(status: &Status) -> String {
    let lines: Vec<String> = status.lines.iter().map(u64::to_string).collect();
    format!("{} rows, lines {}", status.rows, lines.join(", "))
}

fn rules(text: &mut String, config: &Config) {
    let orders = &config.orders;
    for (rule, patterns) in [("keep_when", &orders.keep_when), ("drop_when", &orders.drop_when)] {
        if !patterns.is_empty() {
            let pairs: Vec<String> = patterns
                .iter()
                .map(|(column, pattern)| format!("{} = {}", quoted(column), quoted(pattern)))
                .collect();
            let _ = writeln!(text, "{rule} = {{ {} }}", pairs.join(", "));
        }
    }
    text.push_str(
        "# Other rules, by column and regular expression:\n\
         #   keep_when = { status = \"^purchase$\" }       only these rows\n\
         #   drop_when = { unit_price = \"^0(\\\\.0+)?$\" }   not these rows\n\
         #   cancelled_when = { status = \"closed\" }      orders that never happened: they undo nothing\n\
         #   returned_when = { order_id = \"^C\" }         returns: they undo earlier purchases\n\
         #   exclude_items = \"^(POST|GIFT)\"              items that are no goods\n",
    );
}

fn list(files: &[String], name: &dyn Fn(&str) -> String) -> String {
    files.iter().map(|file| quoted(&name(file))).collect::<Vec<_>>().join(", ")
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
