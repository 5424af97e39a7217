//! Times the search of content neighbors on a generated catalog and compares a sample with a full search:
//! `cargo run --release -p qianmian-trainer --example content_neighbors -- 92331`.
#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::time::Instant;

use qianmian_models::ids::ItemIx;
use qianmian_models::index::catalog::{Attributes, Catalog, Text};
use qianmian_models::index::content::{Content, Description};
use qianmian_money::Currency;
use qianmian_trainer::learn::content_neighbors::ContentNeighbors;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An item like those of a department store: 3 to 9 words, 12 x 15 x 6 categories, 900 brands, 40 merchants.
fn item(rng: &mut ChaCha8Rng) -> Attributes {
    let mut skewed = |n: u32| (rng.random::<f64>().powi(3) * f64::from(n)) as u32;
    let title: Vec<String> = (0..3 + skewed(7)).map(|_| format!("w{}", skewed(20_000))).collect();
    let category = format!("a{}/b{}/c{}", skewed(12), skewed(15), skewed(6));
    let (brand, merchant) = (format!("brand{}", skewed(900)), format!("m{}", skewed(40)));
    let mut item = Attributes::default();
    let texts = [
        (Text::Title, title.join(" ")),
        (Text::Category, category),
        (Text::Brand, brand),
        (Text::MerchantId, merchant),
    ];
    texts.into_iter().for_each(|(text, value)| *item.text_mut(text) = value);
    item
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n_items: usize = std::env::args().nth(1).map_or(Ok(92_331), |n| n.parse())?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let catalog =
        Catalog::new(&(0..n_items).map(|_| item(&mut rng)).collect::<Vec<_>>(), Currency::default())?;
    let content = Content::new(&catalog, n_items)?;
    let items: Vec<ItemIx> = (0..n_items as ItemIx).collect();
    let started = Instant::now();
    let neighbors = ContentNeighbors::new(&content, &items, n_items, &|_| ());
    println!("{n_items} items, pruned search: {:.2} s", started.elapsed().as_secs_f64());
    let sample: Vec<ItemIx> = items.iter().copied().step_by(n_items.div_ceil(200)).collect();
    let started = Instant::now();
    let mut same = 0;
    for &item in &sample {
        let full = content.similar(&Description::of(&catalog, item), 50, |other| other != item);
        same += usize::from(neighbors.of(item) == full);
    }
    let all = started.elapsed().as_secs_f64() * n_items as f64 / sample.len() as f64;
    println!("full search, one thread: {all:.0} s; {same} of {} sampled lists are equal", sample.len());
    Ok(())
}
