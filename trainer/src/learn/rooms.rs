//! Sales of livestream rooms.

use qianmian_models::error::Result;
use qianmian_models::index::rooms::{RoomSales, Rooms};
use qianmian_money::Money;
use rustc_hash::FxHashMap;

use crate::dataset::Dataset;
use crate::orders::{Line, NONE_CODE};

/// The sales of every room; `None` if no line names one. Cost: one pass over the lines, and a sort of those with a
/// room.
pub fn learn(dataset: &Dataset) -> Result<Option<Rooms>> {
    let mut lines: Vec<&Line> = dataset.lines().iter().filter(|line| line.room != NONE_CODE).collect();
    // Codes are in byte order of the ids.
    lines.sort_by_key(|line| (line.room, line.basket));
    let rooms: Vec<RoomSales> =
        lines.chunk_by(|a, b| a.room == b.room).map(|of| sales(dataset, of)).collect();
    if rooms.is_empty() { Ok(None) } else { Rooms::new(&rooms).map(Some) }
}

/// The sales of one room from its lines, by basket.
fn sales(dataset: &Dataset, lines: &[&Line]) -> RoomSales {
    let mut pieces: FxHashMap<u32, f64> = FxHashMap::default();
    lines.iter().for_each(|line| *pieces.entry(line.item).or_default() += f64::from(line.quantity));
    let mut items: Vec<(u32, f32)> = pieces.iter().map(|(&item, &pieces)| (item, pieces as f32)).collect();
    items.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let moment = |at: Option<i64>| at.unwrap_or(0).clamp(0, i64::from(u32::MAX)) as u32;
    let paid = lines.iter().filter_map(|line| line.paid()).map(|paid| i128::from(paid.minor()));
    RoomSales {
        room_id: dataset.room_id(lines[0].room).to_owned(),
        baskets: lines.chunk_by(|a, b| a.basket == b.basket).count() as u32,
        units: pieces.values().sum::<f64>() as f32,
        amount: Money::clamped(paid.sum()),
        first_at: moment(lines.iter().map(|line| line.at).min()),
        last_at: moment(lines.iter().map(|line| line.at).max()),
        items,
    }
}
