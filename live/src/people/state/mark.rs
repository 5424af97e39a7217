//! Marks: the units of a user's live state.

use std::cmp::Reverse;

use crate::event::{Event, EventType};

/// Most touch marks of a user: views, clicks, carts, favorites, shares.
pub const MAX_TOUCHES: usize = 64;
/// Most fact marks of a user: purchases, returns, dislikes.
pub const MAX_FACTS: usize = 128;
/// Most exposure marks of a user.
pub const MAX_EXPOSURES: usize = 256;
/// The scene of an exposure without one.
pub const DEFAULT_SCENE: &str = "home";

/// The last time that a kind of event happened with an item; for exposures, one of the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The kind.
    pub kind: EventType,
    /// The time, unix milliseconds.
    pub at: i64,
    /// The item's external id.
    pub item_id: Box<str>,
    /// The scene of an exposure; empty for all other kinds.
    pub scene: Box<str>,
}

impl Mark {
    /// The mark of `event` in its user's state, if any. Its time is at most `received_at`, so that it is removed no
    /// later than a `ttl` after the receipt.
    pub fn of(event: &Event, received_at: i64) -> Option<Self> {
        class_of(event.kind)?;
        let item_id = event.item_id.as_deref()?.into();
        let scene = match event.kind {
            EventType::Expose => event.scene.as_deref().unwrap_or(DEFAULT_SCENE).into(),
            _ => Box::default(),
        };
        Some(Self { kind: event.kind, at: event.occurred_at.min(received_at).max(0), item_id, scene })
    }

    /// The class whose bound it counts against.
    pub fn class(&self) -> Class {
        class_of(self.kind).unwrap_or(Class::Touch)
    }

    /// The key of the mark within its user's state: of two marks with one name the later one is kept. Kind (1
    /// byte); for an exposure its time (6), length of the scene (2) and scene; then the item's id.
    pub fn name(&self) -> Vec<u8> {
        let mut name = Vec::with_capacity(9 + self.scene.len() + self.item_id.len());
        name.push(self.kind as u8);
        if self.kind == EventType::Expose {
            name.extend_from_slice(&self.at.to_le_bytes()[..6]);
            name.extend_from_slice(&(self.scene.len() as u16).to_le_bytes());
            name.extend_from_slice(self.scene.as_bytes());
        }
        name.extend_from_slice(self.item_id.as_bytes());
        name
    }

    /// The mark with this [`name`](Self::name); `None` if the bytes are not a name.
    pub fn named(name: &[u8], at: i64) -> Option<Self> {
        let (&kind, mut rest) = name.split_first()?;
        let kind = EventType::of_number(kind)?;
        class_of(kind)?;
        let mut scene: Box<str> = Box::default();
        if kind == EventType::Expose {
            let (_at, tail) = rest.split_first_chunk::<6>()?;
            let (length, tail) = tail.split_first_chunk::<2>()?;
            let (text, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            scene = std::str::from_utf8(text).ok()?.into();
            rest = tail;
        }
        let item_id = std::str::from_utf8(rest).ok()?.into();
        Some(Self { kind, at, item_id, scene })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.item_id == other.item_id
            && self.scene == other.scene
            && (self.kind != EventType::Expose || self.at == other.at)
    }

    pub(super) fn order(&self) -> (Class, Reverse<i64>, EventType, &str, &str) {
        (self.class(), Reverse(self.at), self.kind, &self.item_id, &self.scene)
    }
}

/// The class of a mark; each class has its own bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Viewed, clicked, put into the cart, marked as favorite, shared.
    Touch,
    /// Bought, returned, disliked.
    Fact,
    /// Shown.
    Exposure,
}

impl Class {
    /// All classes, in the order in which a state keeps them.
    pub const ALL: [Self; 3] = [Self::Touch, Self::Fact, Self::Exposure];

    /// Number of marks that are kept, the latest.
    pub fn bound(self) -> usize {
        match self {
            Self::Touch => MAX_TOUCHES,
            Self::Fact => MAX_FACTS,
            Self::Exposure => MAX_EXPOSURES,
        }
    }
}

/// The class of a kind of event; `None` for kinds that leave no mark.
pub(super) fn class_of(kind: EventType) -> Option<Class> {
    use EventType as E;
    match kind {
        E::Click | E::View | E::AddToCart | E::Favorite | E::Checkout | E::Share => Some(Class::Touch),
        E::Purchase | E::Refund | E::Dislike => Some(Class::Fact),
        E::Expose => Some(Class::Exposure),
        E::Search | E::RoomEnter | E::RoomLeave => None,
    }
}
