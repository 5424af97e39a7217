//! Slates inside a livestream room: the product being explained, then the room's other products for this person.

use std::sync::Arc;

use qianmian_live::rooms::RoomState;
use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::recommend::slate::{Recommended, Slate};
use qianmian_models::source::Evidence;
use qianmian_models::view::View;

use crate::app::Shop;
use crate::fallback::Fallback;
use crate::rooms::{Board, Card};

/// The room of a request, if it names one, as it is now by the model of `view`.
///
/// # Errors
/// The fallback of a room that sells nothing: unknown, over, or without a product that can be bought.
pub fn enter(shop: &Shop, room_id: Option<&str>, view: View<'_>) -> Result<Option<Arc<Board>>, Fallback> {
    let Some(room_id) = room_id else { return Ok(None) };
    let board = shop.rooms.get(room_id).ok_or(Fallback::UnknownRoom)?.board_by(Some(view));
    if board.head.state == RoomState::Ended {
        return Err(Fallback::RoomEnded);
    }
    match board.cards.iter().any(|card| card.buyable) {
        true => Ok(Some(board)),
        false => Err(Fallback::RoomEmpty),
    }
}

/// Limits the question to what the room sells.
pub fn limit(board: &Board, query: &mut Query) {
    let sold = board.selling.pool.iter().map(|(item, _)| *item);
    let mut pool: Vec<ItemIx> = match &query.pool {
        Some(asked) => sold.filter(|item| asked.contains(item)).collect(),
        None => sold.collect(),
    };
    pool.sort_unstable();
    query.pool = Some(pool);
}

/// The slots of a slate, with the product being explained first.
pub fn explained_first(
    view: View<'_>,
    board: &Board,
    query: &Query,
    slate: &Slate,
) -> Vec<(Recommended, Evidence)> {
    let mut slots: Vec<(Recommended, Evidence)> =
        slate.items.iter().map(|item| (*item, slate.weights)).collect();
    let is_in_pool = |item: &ItemIx| query.pool.as_ref().is_none_or(|pool| pool.contains(item));
    // An earlier page has shown it first.
    let allowed = |item: &ItemIx| is_in_pool(item) && !query.shown.contains(item);
    let Some(explained) = board.selling.explained.filter(allowed) else { return slots };
    let first = match slots.iter().position(|(slot, _)| slot.item == explained) {
        Some(place) => Some(slots.remove(place)),
        None => {
            // It may rank below the slate.
            let alone = Query { pool: Some(vec![explained]), count: 1, ..query.clone() };
            let alone = recommend(view, &alone);
            alone.items.first().map(|item| (*item, alone.weights))
        }
    };
    slots.splice(..0, first);
    slots.truncate(query.count);
    slots
}

/// The products that the model does not know, at most `count`, in the order of the list.
pub fn unknown_to_model(board: &Board, count: usize) -> Vec<Card> {
    let unknown = board.cards.iter().filter(|card| card.buyable && !card.in_catalog);
    unknown.take(count).map(|card| Card::clone(card)).collect()
}
