//! The settings of usual places.

use super::document::{AboutName, Preset, SceneDocument};
use super::rule_document::{ActionDocument, AttributeName, RuleDocument};

impl Preset {
    /// The settings, as a document.
    pub(super) fn settings(self) -> SceneDocument {
        let count = |count| SceneDocument { count: Some(count), ..SceneDocument::default() };
        match self {
            Self::Home => SceneDocument { rules: vec![mixed(3, 6)], ..count(20) },
            Self::Product => SceneDocument { exploration_percent: Some(0), ..count(12) },
            Self::Cart => SceneDocument { exploration_percent: Some(0), ..count(10) },
            Self::Checkout => SceneDocument { exploration_percent: Some(0), ..count(6) },
            Self::OrderDone => SceneDocument { exclude_bought: Some(true), ..count(10) },
            Self::BuyAgain => SceneDocument {
                about: Some(AboutName::Due),
                exploration_percent: Some(0),
                // A person who needs an item again has seen it often.
                exposures: Some(0),
                ..count(10)
            },
            Self::NewArrivals => SceneDocument {
                filter: Some("item.is_new".to_owned()),
                exploration_percent: Some(0),
                ..count(20)
            },
            Self::Trending => {
                SceneDocument { about: Some(AboutName::Trending), exploration_percent: Some(0), ..count(20) }
            }
            Self::Category => SceneDocument {
                filter: Some("item.category.startsWith(params.category)".to_owned()),
                ..count(20)
            },
            Self::Brand => {
                SceneDocument { filter: Some("item.brand == params.brand".to_owned()), ..count(20) }
            }
            Self::GuessYouLike => SceneDocument {
                exclude_bought: Some(true),
                exploration_percent: Some(10),
                rules: vec![mixed(2, 5)],
                ..count(20)
            },
            Self::Festival => {
                let items = "item.tags.exists(tag, tag == params.theme)";
                SceneDocument { rules: vec![lifted("preset_theme", items)], ..count(20) }
            }
            Self::Room => {
                // A room shows its few products again and again.
                SceneDocument { exploration_percent: Some(0), exposures: Some(0), ..count(20) }
            }
            Self::Hall => {
                SceneDocument { exploration_percent: Some(0), rules: vec![mixed(3, 6)], ..count(10) }
            }
            Self::Birthday => SceneDocument {
                exclude_bought: Some(true),
                rules: vec![lifted("preset_birthday", "'birthday' in item.tags")],
                ..count(12)
            },
        }
    }
}

/// At most `most` items of a top category in `window` slots.
fn mixed(most: usize, window: usize) -> RuleDocument {
    let by = AttributeName::TopCategory;
    RuleDocument::preset("preset_spacing", ActionDocument::Spacing { by, at_most: most, window })
}

/// Items that count three times.
fn lifted(id: &str, items: &str) -> RuleDocument {
    RuleDocument::preset(id, ActionDocument::Boost { items: items.to_owned(), factor: 3.0 })
}
