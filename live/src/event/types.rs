//! The types of events, and the names that other trackers use for them.

use serde::{Deserialize, Serialize};

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventType {
    /// The item was shown.
    Expose = 0,
    /// The item was chosen from a list.
    Click = 1,
    /// The item's page was viewed.
    View = 2,
    /// The item was put into the cart.
    AddToCart = 3,
    /// The item was marked as a favorite.
    Favorite = 4,
    /// The checkout began.
    Checkout = 5,
    /// The item was bought.
    Purchase = 6,
    /// The item was returned or refunded.
    Refund = 7,
    /// The user does not want to see the item.
    Dislike = 8,
    /// The item or the room was shared.
    Share = 9,
    /// The user searched.
    Search = 10,
    /// The user entered a livestream room.
    RoomEnter = 11,
    /// The user left a livestream room.
    RoomLeave = 12,
}

use EventType::{
    AddToCart, Checkout, Click, Dislike, Expose, Favorite, Purchase, Refund, RoomEnter, RoomLeave, Search,
    Share, View,
};

/// Every accepted name, in lower case with underscores. The first [`EventType::COUNT`] are our own, by number.
const NAMES: [(&str, EventType); 35] = [
    ("expose", Expose),
    ("click", Click),
    ("view", View),
    ("add_to_cart", AddToCart),
    ("favorite", Favorite),
    ("checkout", Checkout),
    ("purchase", Purchase),
    ("refund", Refund),
    ("dislike", Dislike),
    ("share", Share),
    ("search", Search),
    ("room_enter", RoomEnter),
    ("room_leave", RoomLeave),
    // GA4
    ("view_item_list", Expose),
    ("select_item", Click),
    ("view_item", View),
    ("add_to_wishlist", Favorite),
    ("begin_checkout", Checkout),
    ("view_search_results", Search),
    // Segment
    ("product_list_viewed", Expose),
    ("product_clicked", Click),
    ("product_viewed", View),
    ("product_added", AddToCart),
    ("product_added_to_wishlist", Favorite),
    ("checkout_started", Checkout),
    ("order_completed", Purchase),
    ("order_refunded", Refund),
    ("product_shared", Share),
    ("products_searched", Search),
    // WeChat
    ("wxdata_expose_goods", Expose),
    // Other spellings
    ("favourite", Favorite),
    ("exposure", Expose),
    ("impression", Expose),
    ("enter_room", RoomEnter),
    ("leave_room", RoomLeave),
];

impl EventType {
    /// Number of types.
    pub const COUNT: usize = 13;

    /// The type with this name, ours or another tracker's; case, spaces and hyphens do not matter.
    pub fn named(name: &str) -> Option<Self> {
        let name = normalized(name);
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Our own name of the type.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The type with this stored number.
    pub fn of_number(number: u8) -> Option<Self> {
        NAMES[..Self::COUNT].get(usize::from(number)).map(|(_, kind)| *kind)
    }

    /// True if an event of this type must name an item.
    pub fn needs_item(self) -> bool {
        matches!(self, Expose | Click | View | AddToCart | Favorite | Purchase | Refund | Dislike)
    }

    /// Strength of the user's interest in the item that a fresh event of this type shows, `0..=1`.
    pub fn interest(self) -> f32 {
        match self {
            AddToCart | Checkout | Purchase => 1.0,
            Favorite => 0.8,
            Share => 0.6,
            View => 0.5,
            Click => 0.4,
            _ => 0.0,
        }
    }
}

/// The known name that is most similar to `name`, if any is similar enough.
pub fn nearest(name: &str) -> Option<&'static str> {
    qianmian_suggest::nearest(name, NAMES.iter().map(|(known, _)| *known))
}

/// `name` in the spelling of [`NAMES`], cut to a length that no known name exceeds.
fn normalized(name: &str) -> String {
    let letters = name.trim().chars().take(64);
    letters.map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_type_has_its_number_and_its_name() {
        for n in 0..EventType::COUNT as u8 {
            let kind = EventType::of_number(n).unwrap();
            assert_eq!(kind as u8, n);
            assert_eq!(EventType::named(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(EventType::of_number(EventType::COUNT as u8), None);
    }

    #[test]
    fn names_of_other_trackers_map_to_ours() {
        for (theirs, ours) in [
            ("view_item_list", "expose"),
            ("Product List Viewed", "expose"),
            ("wxdata_expose_goods", "expose"),
            ("Product Added", "add_to_cart"),
            ("order-completed", "purchase"),
            ("VIEW_ITEM", "view"),
        ] {
            assert_eq!(EventType::named(theirs).unwrap().name(), ours);
        }
    }
}
