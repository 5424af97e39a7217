//! Figures of a room as answers and streams show them.

use qianmian_live::followers::RoomFigures;
use qianmian_live::followers::room_figures::{Counts, Figures};
use serde::Serialize;
use utoipa::ToSchema;

use super::board::Board;

/// What people did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct CountsBody {
    /// Times shown.
    exposures: u64,
    /// Times chosen from a list.
    clicks: u64,
    /// Times put into a cart.
    carts: u64,
    /// Times bought.
    orders: u64,
    /// Amount of what was bought, in the shop's currency.
    paid: f64,
}

/// Counts over the show, the latest minutes, and as many before them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct FiguresBody {
    /// Over the show, of the events of the last day at most.
    total: CountsBody,
    /// In the latest minutes, the running one included.
    last: CountsBody,
    /// In as many minutes before.
    before: CountsBody,
}

/// Shares of the room's other products that had less in the latest minutes, percent; null in a room of one product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Percentiles {
    exposures: Option<u32>,
    clicks: Option<u32>,
    carts: Option<u32>,
    orders: Option<u32>,
    paid: Option<u32>,
}

/// Figures of a product.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProductFigures {
    /// The item.
    pub item_id: String,
    number: u32,
    #[serde(flatten)]
    figures: FiguresBody,
    percentile: Percentiles,
}

/// Figures of a room and its products.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RoomFiguresBody {
    /// People who watch now, each once by whatever names they come.
    viewers: usize,
    /// Length of `last` and `before`.
    minutes: usize,
    #[serde(flatten)]
    figures: FiguresBody,
    /// In the order of the list.
    pub products: Vec<ProductFigures>,
}

impl From<Counts> for CountsBody {
    fn from(counts: Counts) -> Self {
        let Counts { exposures, clicks, carts, orders, paid } = counts;
        Self { exposures, clicks, carts, orders, paid: paid as f64 / 10_000.0 }
    }
}

impl From<Figures> for FiguresBody {
    fn from(figures: Figures) -> Self {
        Self { total: figures.total.into(), last: figures.last.into(), before: figures.before.into() }
    }
}

impl RoomFiguresBody {
    /// The figures of the room `room_id`, which `board` shows, at `now` (unix milliseconds).
    pub fn of(figures: &RoomFigures, (room_id, board): (&str, &Board), now: i64, minutes: usize) -> Self {
        let of_item = |item_id: &str| figures.item(room_id, item_id, now, minutes);
        let items: Vec<Figures> = board.cards.iter().map(|card| of_item(&card.item_id)).collect();
        let ranks = Ranks::of(&items);
        let products = board.cards.iter().zip(&items).map(|(card, figures)| ProductFigures {
            item_id: card.item_id.clone(),
            number: card.number,
            figures: (*figures).into(),
            percentile: ranks.percentiles(figures.last),
        });
        Self {
            viewers: figures.viewers(room_id, now),
            minutes,
            figures: figures.room(room_id, now, minutes).into(),
            products: products.collect(),
        }
    }
}

/// The counts of all products in the latest minutes, each kind in ascending order.
struct Ranks([Vec<i64>; 5]);

impl Ranks {
    fn of(items: &[Figures]) -> Self {
        let mut sorted: [Vec<i64>; 5] = Default::default();
        for figures in items {
            values(figures.last).into_iter().zip(&mut sorted).for_each(|(value, all)| all.push(value));
        }
        sorted.iter_mut().for_each(|all| all.sort_unstable());
        Self(sorted)
    }

    fn percentiles(&self, counts: Counts) -> Percentiles {
        let share = |n: usize| {
            let (all, value) = (&self.0[n], values(counts)[n]);
            let below = all.partition_point(|other| *other < value);
            (all.len() > 1).then(|| (100 * below / (all.len() - 1)) as u32)
        };
        Percentiles {
            exposures: share(0),
            clicks: share(1),
            carts: share(2),
            orders: share(3),
            paid: share(4),
        }
    }
}

fn values(counts: Counts) -> [i64; 5] {
    let Counts { exposures, clicks, carts, orders, paid } = counts;
    [exposures as i64, clicks as i64, carts as i64, orders as i64, paid]
}
