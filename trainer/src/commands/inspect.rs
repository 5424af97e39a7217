//! `inspect`: the contents of an artifact, as a table or as JSON.

use comfy_table::{CellAlignment, Table, presets};
use qianmian_models::index::user_attributes::CONSENT_PERSONALIZATION;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::artifact::{Artifact, Manifest};

use super::store::StoreArgs;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The version [default: the published one].
    version: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Print JSON: the manifest and the versions in the store; with --examples, ids as JSON strings.
    #[arg(long)]
    json: bool,
    /// Print ids to try, one a line: users with the most baskets first, or best sellers first.
    #[arg(long, value_name = "KIND")]
    examples: Option<Example>,
    /// Most ids that --examples prints.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "examples")]
    limit: usize,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Example {
    Users,
    Items,
}

/// Verifies every section and prints the contents.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let store = args.store.open()?;
    let versions = store.versions()?;
    let latest = store.latest()?;
    let artifact =
        store.artifact(args.version.as_deref()).map_err(|error| args.store.explain(&store, error))?;
    for name in artifact.manifest().sections.keys() {
        artifact.section(name)?;
    }
    if let Some(kind) = args.examples {
        for id in examples(&Snapshot::open(&artifact)?, kind, args.limit) {
            super::say(&if args.json { serde_json::to_string(&id)? } else { id });
        }
        return Ok(());
    }
    if args.json {
        let json = serde_json::json!({
            "manifest": artifact.manifest(), "versions": versions, "latest": latest, "verified": true,
        });
        super::say(&serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    super::say(&describe(&artifact));
    super::say(&format!("\nversions in the store: {}", versions.join(", ")));
    if let Some(latest) = latest {
        super::say(&format!("published: {}", latest.version));
    }
    Ok(())
}

/// The ids of users, most baskets first and those who refuse personal answers last, or of items, best sellers first.
fn examples(snapshot: &Snapshot, kind: Example, limit: usize) -> Vec<String> {
    match kind {
        Example::Users => {
            let mut users: Vec<u32> = (0..snapshot.users.len() as u32).collect();
            users.sort_by_cached_key(|&user| {
                let said = snapshot.user_attributes.consent(user, CONSENT_PERSONALIZATION);
                (said == Some(false), std::cmp::Reverse(snapshot.profiles.activity(user)))
            });
            users.iter().take(limit).map(|&user| snapshot.users.id(user).to_owned()).collect()
        }
        Example::Items => {
            let ranked = snapshot.popularity.ranked().iter();
            ranked.take(limit).map(|&item| snapshot.items.id(item).to_owned()).collect()
        }
    }
}

fn describe(artifact: &Artifact) -> String {
    let manifest = artifact.manifest();
    format!("{}\n\n{}", facts(manifest), sections(manifest))
}

fn facts(manifest: &Manifest) -> Table {
    let time =
        |at: i64| chrono::DateTime::from_timestamp(at, 0).map_or_else(|| at.to_string(), |t| t.to_rfc3339());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_row(["version", &manifest.version]);
    table.add_row(["format", &manifest.format.to_string()]);
    table.add_row(["created", &format!("{} by {}", manifest.created_at, manifest.created_by)]);
    table.add_row(["parent", manifest.parent.as_deref().unwrap_or("none")]);
    table.add_row(["data", &format!("{} to {}", time(manifest.data_from), time(manifest.data_until))]);
    for (name, count) in &manifest.counts {
        table.add_row([name, &count.to_string()]);
    }
    table
}

fn sections(manifest: &Manifest) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["section", "rows", "bytes", "blake3 (verified)"]);
    for (name, entry) in &manifest.sections {
        table.add_row([
            name.as_str(),
            &entry.rows.to_string(),
            &entry.bytes.to_string(),
            &entry.blake3[..16.min(entry.blake3.len())],
        ]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
