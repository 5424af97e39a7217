//! The training configuration: one TOML file of choices about the shop's data.
//!
//! Unknown fields are errors that name the nearest known one, relative file patterns start at the
//! configuration file's folder, and every error names the field and its cure. A file with canonical
//! columns needs no configuration: [`Config::default`] with [`Config::replace_orders`] is enough.

mod columns;
mod external;
mod publish;
mod tables;
mod training;
mod zone;

pub use columns::{ColumnInfo, EventColumn, OrderColumn, folded};
pub use external::{ExternalConfig, ExternalFiles};
pub use publish::PublishConfig;
pub use tables::{
    Baskets, Column, Decimal, EqualLines, EventsConfig, Format, Header, KeepOrDrop, Normalise, OrdersConfig,
    Outsized, StatusMeaning, Table, TableConfig,
};
pub use training::TrainingConfig;
pub use zone::Zone;

use anyhow::{Context, bail};
use qianmian_money::Currency;
use qianmian_suggest::nearest;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The configuration of a training run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the shop that the artifact belongs to; one folder of the model store.
    pub shop: String,
    /// The currency of all amounts, and its decimals.
    pub currency: Currency,
    /// The order history: the only input that training requires.
    pub orders: OrdersConfig,
    /// The catalog.
    pub items: Option<TableConfig>,
    /// The users table: attributes and consents.
    pub users: Option<TableConfig>,
    /// The identities table: identifiers of users in channels.
    pub identities: Option<TableConfig>,
    /// The events: browsing, purchases and refunds.
    pub events: Option<EventsConfig>,
    /// Models learned elsewhere.
    pub external: Vec<ExternalConfig>,
    /// Training options.
    pub training: TrainingConfig,
    /// Options of the gate before a publish.
    pub publish: PublishConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shop: "default".to_owned(),
            currency: Currency::default(),
            orders: OrdersConfig::default(),
            items: None,
            users: None,
            identities: None,
            events: None,
            external: Vec::new(),
            training: TrainingConfig::default(),
            publish: PublishConfig::default(),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not valid TOML, or if a field is unknown or has a bad value.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| format!("in the configuration {}", path.display()))
    }

    /// Parses and checks `text`; relative file patterns start at `folder`.
    ///
    /// # Errors
    /// As [`Config::load`], without reading.
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut config: Self = toml::from_str(text).map_err(|error| explain(text, &error))?;
        config.check()?;
        config.orders.files = resolve(&config.orders.files, folder);
        for table in [&mut config.items, &mut config.users, &mut config.identities].into_iter().flatten() {
            table.files = resolve(&table.files, folder);
        }
        if let Some(events) = &mut config.events {
            events.files = resolve(&events.files, folder);
        }
        config.external.iter_mut().for_each(|external| external.resolve(folder));
        Ok(config)
    }

    /// Reads these order files instead of the configured ones; relative paths start at the
    /// current folder.
    pub fn replace_orders(&mut self, paths: &[PathBuf]) {
        self.orders.files = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    }

    fn check(&self) -> anyhow::Result<()> {
        // The name becomes a folder of the model store and a part of URLs.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.shop.is_empty() || self.shop.len() > 64 || !self.shop.chars().all(plain) {
            bail!("shop = {:?}: use 1 to 64 letters, digits, `-` or `_`", self.shop);
        }
        self.orders.check()?;
        if let Some(events) = &self.events {
            events.check()?;
        }
        self.training.check()?;
        self.publish.check()?;
        external::check(&self.external)?;
        let tables = [(Table::Items, &self.items), (Table::Users, &self.users)];
        for (table, config) in tables.into_iter().chain([(Table::Identities, &self.identities)]) {
            if let Some(config) = config {
                config.check(table)?;
            }
        }
        Ok(())
    }
}

/// Resolves relative patterns against `folder`, whose name is escaped: it is no pattern.
fn resolve(files: &[String], folder: &Path) -> Vec<String> {
    let within = |file: &String| {
        if Path::new(file).is_absolute() || folder.as_os_str().is_empty() {
            return file.clone();
        }
        let folder = glob::Pattern::escape(&folder.to_string_lossy());
        Path::new(&folder).join(file).to_string_lossy().into_owned()
    };
    files.iter().map(within).collect()
}

/// The error with its place in the text and, for an unknown name, the nearest known one.
fn explain(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let message = error.message();
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let mut names = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown ")
        && let Some(unknown) = names.next()
    {
        let known: Vec<&str> = names.collect();
        return anyhow::anyhow!("line {line}: {}", unknown_name(unknown, &known));
    }
    anyhow::anyhow!("line {line}: {message}")
}

/// "`fles` is unknown; did you mean `files`? (known: ...)".
pub(crate) fn unknown_name(unknown: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("`{unknown}` is unknown; did you mean `{near}`? (known: {list})"),
        None => format!("`{unknown}` is unknown (known: {list})"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::Config;
    use std::path::Path;

    fn error_of(text: &str) -> String {
        format!("{:#}", Config::parse(text, Path::new("")).unwrap_err())
    }

    #[test]
    fn an_unknown_field_names_its_line_and_the_nearest_known_one() {
        let error = error_of("shop = \"a\"\n[orders]\nfiels = []\n");
        assert!(error.contains("line 3") && error.contains("did you mean `files`?"), "{error}");
    }

    #[test]
    fn an_unknown_normaliser_names_the_nearest_known_one() {
        let error = error_of("[orders]\nnormalise = { item_id = \"upper_case\" }\n");
        assert!(error.contains("did you mean `uppercase`?"), "{error}");
    }

    #[test]
    fn an_unknown_column_names_the_nearest_one() {
        let error = error_of("[orders]\ncolumns = { itemid = \"StockCode\" }\n");
        assert!(error.contains("orders.columns") && error.contains("did you mean `item_id`?"), "{error}");
    }

    #[test]
    fn a_bad_pattern_zone_and_cap_name_their_fields() {
        assert!(error_of("[orders]\nexclude_items = \"(\"\n").contains("orders.exclude_items"));
        assert!(error_of("[orders]\ncancelled_when = { order_id = \"(\" }\n").contains("cancelled_when"));
        assert!(error_of("[orders]\ntime_zone = \"Shanghai\"\n").contains("orders.time_zone"));
        assert!(error_of("[orders]\ntime_format = \"%Y-%Q\"\n").contains("orders.time_format"));
        assert!(error_of("[orders]\nmax_basket_items = 0\n").contains("orders.max_basket_items"));
        assert!(error_of("[orders]\ndelimiter = \"\"\n").contains("orders.delimiter"));
        assert!(error_of("shop = \"../etc\"\n").contains("shop"));
        assert!(error_of("[currency]\ncode = \"yuan\"\n").contains("currency code"));
        assert!(error_of("[currency]\ndigits = 5\n").contains("currency digits 5: use 0 to 4"));
        assert!(error_of("[currency]\ndigit = 5\n").contains("did you mean `digits`?"));
    }

    #[test]
    fn a_table_says_where_its_rows_come_from() {
        assert!(error_of("[items]\n").contains("items.files"));
        assert!(error_of("[users]\nfrom_orders = true\n").contains("users.from_orders"));
    }

    #[test]
    fn relative_files_start_at_the_folder_of_the_configuration() {
        let text = "[orders]\nfiles = [\"data/*.csv\", \"/abs.csv\"]\n";
        let config = Config::parse(text, Path::new("/shop[1]")).unwrap();
        assert_eq!(config.orders.files, ["/shop[[]1[]]/data/*.csv", "/abs.csv"]);
    }
}
