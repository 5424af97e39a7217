//! The reasons for which a slate is less personal than requested: one table for answers and metrics.

use serde::Serialize;
use utoipa::ToSchema;

/// Why a slate is not as personal as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Neither the model nor live state knows the user; a given context was still used.
    UnknownUser,
    /// The user's purchases and context lead to no item: best sellers.
    NoHistory,
    /// No person was named, `personalize` was false, or the person does not allow personal answers: best sellers.
    Popularity,
    /// The model holds no items.
    EmptyCatalog,
    /// There is no such room: the shop's slate.
    UnknownRoom,
    /// The show in the room is over: the shop's slate.
    RoomEnded,
    /// Nothing in the room can be bought now: the shop's slate.
    RoomEmpty,
    /// No item is left: none satisfies the filters and the pool, or none is on sale.
    NothingLeft,
}

impl Fallback {
    /// All of them, in index order.
    pub const ALL: [Self; 8] = [
        Self::UnknownUser,
        Self::NoHistory,
        Self::Popularity,
        Self::EmptyCatalog,
        Self::UnknownRoom,
        Self::RoomEnded,
        Self::RoomEmpty,
        Self::NothingLeft,
    ];

    /// The name in metrics; in answers it is the same.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::NoHistory => "no_history",
            Self::Popularity => "popularity",
            Self::EmptyCatalog => "empty_catalog",
            Self::UnknownRoom => "unknown_room",
            Self::RoomEnded => "room_ended",
            Self::RoomEmpty => "room_empty",
            Self::NothingLeft => "nothing_left",
        }
    }
}

/// Counters are found by the index of the variant.
const _: () = {
    let mut n = 0;
    while n < Fallback::ALL.len() {
        assert!(Fallback::ALL[n] as usize == n);
        n += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_answers_use_the_same_names() {
        for fallback in Fallback::ALL {
            assert_eq!(serde_json::to_value(fallback).ok(), Some(fallback.name().into()));
        }
    }
}
