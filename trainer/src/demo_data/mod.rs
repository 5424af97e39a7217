//! Demo data: a realistic shop, generated from a seed.
//!
//! `demo-data` generates an omnichannel retailer: a catalog (`catalog`, by `assortment` from the tables of
//! `kind_table`), cities, stores and livestream rooms (`places`), the year with its seasons and sales (`calendar`), and
//! users (`shopper`) with their trips (`life`) and carts (`cart`). The data have the structure that a recommender
//! should find: tastes for departments, brands, styles and price bands, items that are bought again, complements,
//! seasons, new items.
//!
//! The same arguments give the same bytes on any number of threads, since every user has random numbers of their own.
//! Memory holds the catalog and a few chunks of users, never all orders.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use chrono::{Datelike, NaiveDate};
use clap::Args;
use serde::Serialize;

mod assortment;
mod calendar;
mod cart;
mod catalog;
mod columns;
mod dice;
mod events;
mod files;
mod generate;
mod kind_table;
mod kinds;
mod life;
mod pictures;
mod places;
mod rows;
mod shop;
mod shopper;
mod text;

pub use files::{FileSummary, OrdersFormat};

use files::{Rows, TableFile};
use generate::{Totals, UserFiles, generate};
use shop::Shop;

/// The shop to generate, and where to write it.
#[derive(Args, Clone, Debug)]
pub struct DemoDataArgs {
    /// Folder to write to; it is created if missing, and files of an earlier run are replaced.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of users, 1,000 to 10,000,000. 5,000 are enough for a first look (a second); 1,000,000 make a load test
    /// (a minute or two).
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub users: u32,
    /// Number of items, 500 to 500,000. By default it grows with the square root of the users: 2,121 items for 5,000
    /// users, 30,000 for a million.
    #[arg(long, value_parser = clap::value_parser!(u32).range(500..=500_000))]
    pub items: Option<u32>,
    /// Days of orders, 30 to 3,650. A year has every season and festival.
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u32).range(30..=3_650))]
    pub days: u32,
    /// The day after the last one, YYYY-MM-DD: orders end before its midnight UTC. The default is today; give a date to
    /// get the same files on another day.
    #[arg(long, value_name = "DATE", default_value_t = today())]
    pub until: NaiveDate,
    /// Another seed gives another shop: other items, users and tastes.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Format of the orders. The other tables are plain CSV.
    #[arg(long, value_enum, default_value_t = OrdersFormat::CsvZst)]
    pub format: OrdersFormat,
    /// Also write events.csv.zst: exposures, clicks, views and carts before the orders of the last 7 days.
    #[arg(long)]
    pub events: bool,
    /// Give every item a small picture (a data URL of about 300 bytes), as pages draw it.
    #[arg(long)]
    pub pictures: bool,
}

/// Today in UTC, read with the arguments so that the generator itself reads no clock.
fn today() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

/// Progress of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoProgress {
    /// Users generated so far.
    pub users_done: u32,
    /// Users in all.
    pub users_total: u32,
    /// Order lines so far.
    pub lines: u64,
}

/// The shop that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemoSummary {
    /// The folder.
    pub out: PathBuf,
    /// Users, with or without orders.
    pub users: u32,
    /// Users with at least one order under their name.
    pub buyers: u64,
    /// Items of the catalog.
    pub items: u32,
    /// Orders, guests' included.
    pub orders: u64,
    /// Orders without a user.
    pub guest_orders: u64,
    /// Order lines, returns included.
    pub lines: u64,
    /// Lines with a negative quantity.
    pub returns: u64,
    /// Every file, in the order of writing; the configuration `shop.toml` comes last.
    pub files: Vec<FileSummary>,
}

impl DemoSummary {
    /// The training configuration that names all the tables.
    pub fn config(&self) -> PathBuf {
        self.out.join(CONFIG)
    }
}

const CONFIG: &str = "shop.toml";

/// Generates the shop and writes it; `progress` is called from time to time on the calling thread.
///
/// # Errors
/// Fails if an argument is out of its range or a file cannot be written. Files that were not completed
/// keep the ending `.tmp`.
pub fn run(args: &DemoDataArgs, mut progress: impl FnMut(DemoProgress)) -> anyhow::Result<DemoSummary> {
    let items = args.items.unwrap_or_else(|| derived_items(args.users));
    ensure!((1_000..=10_000_000).contains(&args.users), "--users {}: use 1,000 to 10,000,000", args.users);
    ensure!((500..=500_000).contains(&items), "--items {items}: use 500 to 500,000");
    ensure!((30..=3_650).contains(&args.days), "--days {}: use 30 to 3,650", args.days);
    ensure!(
        (2000..=2100).contains(&args.until.year()),
        "--until {}: use a year from 2000 to 2100",
        args.until
    );
    std::fs::create_dir_all(&args.out).with_context(|| format!("creating {}", args.out.display()))?;
    forget_config(&args.out)?;

    let shop = Shop::new(args.seed, args.users, items, args.days, args.until);
    let mut files = write_shared_tables(args, &shop)?;
    let open = |name, header| TableFile::create(&args.out, name, header);
    let user_files = UserFiles {
        orders: open(args.format.file_name(), rows::ORDERS)?,
        users: open("users.csv", rows::USERS)?,
        identities: open("identities.csv", rows::IDENTITIES)?,
        events: if args.events { Some(open("events.csv.zst", events::EVENTS)?) } else { None },
    };
    let (user_files, totals) = generate(&shop, args.format, user_files, &mut progress)?;
    let UserFiles { orders, users, identities, events } = user_files;
    for file in [Some(orders), Some(users), Some(identities), events].into_iter().flatten() {
        files.push(file.finish()?);
    }
    files.push(write_config(args)?);
    Ok(summary(args, items, &totals, files))
}

fn summary(args: &DemoDataArgs, items: u32, totals: &Totals, files: Vec<FileSummary>) -> DemoSummary {
    DemoSummary {
        out: args.out.clone(),
        users: args.users,
        buyers: totals.buyers,
        items,
        orders: totals.orders,
        guest_orders: totals.guest_orders,
        lines: totals.lines,
        returns: totals.returns,
        files,
    }
}

/// The default number of items, which grows with the square root of the users.
fn derived_items(users: u32) -> u32 {
    (30.0 * f64::from(users).sqrt()) as u32
}

/// Writes the tables that do not depend on users: items and stores.
fn write_shared_tables(args: &DemoDataArgs, shop: &Shop) -> anyhow::Result<Vec<FileSummary>> {
    let header =
        if args.pictures { format!("{},image_url\n", rows::ITEMS) } else { format!("{}\n", rows::ITEMS) };
    let mut items = TableFile::create(&args.out, "items.csv", &header)?;
    for number in 0..shop.catalog.items.len() as u32 {
        let mut text = Vec::new();
        rows::item(&mut text, shop, number);
        if args.pictures {
            text.push(b',');
            pictures::picture(&mut text, shop, number);
        }
        text.push(b'\n');
        items.write(&Rows::Text(text, 1))?;
    }
    let mut stores = TableFile::create(&args.out, "stores.csv", rows::STORES)?;
    for number in 0..shop.places.stores.len() as u16 {
        let mut text = Vec::new();
        rows::store(&mut text, shop, number);
        stores.write(&Rows::Text(text, 1))?;
    }
    Ok(vec![items.finish()?, stores.finish()?])
}

/// Removes the configuration of an earlier run: a configuration exists only if all its tables are complete.
fn forget_config(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(CONFIG);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes the training configuration that names the tables; its paths are relative to itself.
fn write_config(args: &DemoDataArgs) -> anyhow::Result<FileSummary> {
    let text = format!(
        "# A made-up shop: {} users, {} days until {}, seed {}.\n\
         [orders]\nfiles = [\"{}\"]\n\n\
         [items]\nfiles = [\"items.csv\"]\n\n\
         [users]\nfiles = [\"users.csv\"]\n\n\
         [identities]\nfiles = [\"identities.csv\"]\n",
        args.users,
        args.days,
        args.until,
        args.seed,
        args.format.file_name(),
    );
    TableFile::create(&args.out, CONFIG, &text)?.finish()
}
