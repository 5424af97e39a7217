//! Generates all users in parallel and writes them in order, so that the files do not depend on
//! the number of threads and memory does not depend on the number of users.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context;
use rayon::prelude::*;

use super::DemoProgress;
use super::cart::Line;
use super::columns;
use super::dice::{Dice, Purpose};
use super::events::EventLog;
use super::files::{OrdersFormat, Rows, TableFile};
use super::life::Life;
use super::rows;
use super::shop::Shop;
use super::shopper::Shopper;

/// Users of one chunk: small enough to spread over threads, large enough for one write.
const CHUNK: u32 = 1_024;

/// The files that users are written to. Events are optional.
pub struct UserFiles {
    /// Order lines.
    pub orders: TableFile,
    /// Users.
    pub users: TableFile,
    /// Identities.
    pub identities: TableFile,
    /// Events.
    pub events: Option<TableFile>,
}

/// Totals over all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Orders, without returns.
    pub orders: u64,
    /// Of these, orders without a user.
    pub guest_orders: u64,
    /// Order lines, returns included.
    pub lines: u64,
    /// Of these, returns.
    pub returns: u64,
    /// Users with at least one order under their name.
    pub buyers: u64,
}

impl Totals {
    /// Counts the lines of one user, sorted by order.
    fn count(&mut self, lines: &[Line]) {
        self.lines += lines.len() as u64;
        self.returns += lines.iter().filter(|l| l.quantity < 0).count() as u64;
        let mut buyer = false;
        for order in lines.chunk_by(|a, b| a.order == b.order) {
            self.orders += 1;
            self.guest_orders += u64::from(order[0].guest);
            buyer |= !order[0].guest;
        }
        self.buyers += u64::from(buyer);
    }

    fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.guest_orders += other.guest_orders;
        self.lines += other.lines;
        self.returns += other.returns;
        self.buyers += other.buyers;
    }
}

/// The rows of one chunk of users.
struct Chunk {
    orders: Rows,
    users: Rows,
    identities: Rows,
    events: Rows,
    totals: Totals,
}

/// Generates all users of the shop into the files and reports progress.
///
/// # Errors
/// Fails if a file cannot be written.
pub fn generate(
    shop: &Shop,
    format: OrdersFormat,
    files: UserFiles,
    progress: &mut dyn FnMut(DemoProgress),
) -> anyhow::Result<(UserFiles, Totals)> {
    let with_events = files.events.is_some();
    // A batch is generated while the one before is written.
    let (sender, receiver) = sync_channel::<Chunk>(2 * rayon::current_num_threads());
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(files, &receiver));
        let generated = generate_all(shop, format, with_events, &sender, progress);
        drop(sender);
        // An error of the writer comes first, since it stops the generator.
        let files = writer.join().map_err(|_| anyhow::anyhow!("the writing thread panicked"))??;
        Ok((files, generated?))
    })
}

fn generate_all(
    shop: &Shop,
    format: OrdersFormat,
    with_events: bool,
    sender: &SyncSender<Chunk>,
    progress: &mut dyn FnMut(DemoProgress),
) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    let n_chunks = shop.users.div_ceil(CHUNK);
    let batch = 4 * rayon::current_num_threads() as u32;
    for first in (0..n_chunks).step_by(batch as usize) {
        let numbers = first..(first + batch).min(n_chunks);
        let users_done = (numbers.end * CHUNK).min(shop.users);
        let chunks: anyhow::Result<Vec<Chunk>> =
            numbers.into_par_iter().map(|number| chunk(shop, format, with_events, number)).collect();
        for chunk in chunks? {
            totals.add(&chunk.totals);
            sender.send(chunk).context("the writing thread stopped")?;
        }
        progress(DemoProgress { users_done, users_total: shop.users, lines: totals.lines });
    }
    Ok(totals)
}

fn write_all(mut files: UserFiles, receiver: &Receiver<Chunk>) -> anyhow::Result<UserFiles> {
    for chunk in receiver {
        files.orders.write(&chunk.orders)?;
        files.users.write(&chunk.users)?;
        files.identities.write(&chunk.identities)?;
        if let Some(events) = &mut files.events {
            events.write(&chunk.events)?;
        }
    }
    Ok(files)
}

/// Generates the users of one chunk, one after the other.
fn chunk(shop: &Shop, format: OrdersFormat, with_events: bool, number: u32) -> anyhow::Result<Chunk> {
    let users = number * CHUNK..((number + 1) * CHUNK).min(shop.users);
    let n_users = u64::from(users.end - users.start);
    let mut totals = Totals::default();
    let (mut user_text, mut identity_text, mut event_text) = (Vec::new(), Vec::new(), Vec::new());
    let (mut n_identities, mut n_events) = (0, 0);
    let mut lines = Vec::new();
    for user in users {
        let mut dice = Dice::new(shop.seed, Purpose::User, u64::from(user));
        let who = Shopper::draw(shop, user, &mut dice);
        let first = lines.len();
        Life::new(shop, &who, &mut dice).live(&mut lines);
        totals.count(&lines[first..]);
        rows::user(&mut user_text, shop, &who);
        n_identities += rows::identities(&mut identity_text, shop, &who);
        if with_events {
            n_events += EventLog::new(shop, &who).write(&mut event_text, &lines[first..], &mut dice);
        }
    }
    Ok(Chunk {
        orders: order_rows(shop, format, &lines)?,
        users: Rows::Text(user_text, n_users),
        identities: Rows::Text(identity_text, n_identities),
        events: Rows::Text(event_text, n_events),
        totals,
    })
}

fn order_rows(shop: &Shop, format: OrdersFormat, lines: &[Line]) -> anyhow::Result<Rows> {
    if format == OrdersFormat::Parquet {
        return Ok(Rows::Batch(columns::batch(shop, lines)?));
    }
    let mut text = Vec::with_capacity(lines.len() * 112);
    for line in lines {
        rows::order(&mut text, shop, line);
    }
    Ok(Rows::Text(text, lines.len() as u64))
}
