//! A scene as people write it: a document of the live store, or a table of the configuration.

use qianmian_live::people::state::MAX_EXPOSURES;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rule_document::RuleDocument;
use crate::document_fault::DocumentFault;
use crate::fields::card_fields::CardFields;

/// Most rules of a scene.
pub const MAX_RULES: usize = 500;
/// Most scenes that fill up a slate.
pub const MAX_FALLBACKS: usize = 5;
/// Longest exposure window, seconds.
const MAX_WINDOW_SECONDS: u32 = 31_536_000;

/// A place where a slate is shown, and how the slate is made. What is absent is as in the preset; without one, as the
/// model alone has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SceneDocument {
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Settings to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub preset: Option<Preset>,
    /// Length of a slate whose request has no `count`; 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 200)]
    pub count: Option<usize>,
    /// What answers carry of every item, where the request does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fields: Option<CardFields>,
    /// The items that the scene is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub about: Option<AboutName>,
    /// A predicate that every item satisfies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2048)]
    pub filter: Option<String>,
    /// Leave out items that the person bought before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exclude_bought: Option<bool>,
    /// Slots of a hundred that are kept for items without sales; 0 to 50, 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, maximum = 50)]
    pub exploration_percent: Option<usize>,
    /// Exposures without a click after which an item ranks below all others for that person; 0: never. 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exposures: Option<usize>,
    /// Seconds that an exposure counts; a day by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub exposure_window_seconds: Option<u32>,
    /// How the factors of several boosts of one item combine; `product` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub boosts: Option<CombineName>,
    /// The IANA zone of hours, weekdays and weekly validity, such as `Asia/Shanghai`; UTC by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone: Option<String>,
    /// Scenes that fill the slate up, in this order, when it is shorter than asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 5)]
    pub fallback: Vec<String>,
    /// Its rules. Those of higher `priority` come first, equal ones in the order of the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 500)]
    pub rules: Vec<RuleDocument>,
}

/// Settings of a usual place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The first page: the whole taste, mixed.
    Home,
    /// Beside a product: what goes with what is looked at.
    Product,
    /// In the cart.
    Cart,
    /// On the way to the payment: few, light.
    Checkout,
    /// After the order: what is new to the person.
    OrderDone,
    /// What the person bought and, by their own cycle, needs again.
    BuyAgain,
    /// Items without sales.
    NewArrivals,
    /// Items that trend now.
    Trending,
    /// One category: `params.category`, a path or its beginning.
    Category,
    /// One brand: `params.brand`.
    Brand,
    /// An endless list of what is new to the person (猜你喜欢).
    GuessYouLike,
    /// Items with the label `params.theme` first.
    Festival,
    /// A livestream room: its products, however often they were shown.
    Room,
    /// A section of a hall.
    Hall,
    /// For a birthday: items with the label `birthday` first, none that the person has.
    Birthday,
}

/// The items that a scene is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AboutName {
    /// All.
    Everything,
    /// Those that the person bought.
    Bought,
    /// Those that the person bought, when their usual time between two purchases has passed.
    Due,
    /// Those that trend now.
    Trending,
}

/// How the factors of several boosts of one item combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CombineName {
    /// They are multiplied.
    Product,
    /// The largest counts.
    Max,
}

impl SceneDocument {
    /// Checks the bounds of single fields.
    ///
    /// # Errors
    /// The first one that is out of bounds.
    pub(super) fn check(&self) -> Result<(), DocumentFault> {
        let within = |field: &str, got: Option<usize>, least: usize, most: usize| match got {
            Some(got) if !(least..=most).contains(&got) => {
                Err(DocumentFault::new(field, format!("{least} to {most}, not {got}")))
            }
            _ => Ok(()),
        };
        within("count", self.count, 1, 200)?;
        within("exploration_percent", self.exploration_percent, 0, 50)?;
        within("exposures", self.exposures, 0, MAX_EXPOSURES)?;
        let window = self.exposure_window_seconds.map(|seconds| seconds as usize);
        within("exposure_window_seconds", window, 1, MAX_WINDOW_SECONDS as usize)?;
        within("description", Some(self.description.len()), 0, 4_096)?;
        within("rules", Some(self.rules.len()), 0, MAX_RULES)?;
        within("fallback", Some(self.fallback.len()), 0, MAX_FALLBACKS)
    }

    /// This document over the settings of its preset; the preset's rules come first.
    pub(super) fn with_preset(&self) -> Self {
        let Some(preset) = self.preset else { return self.clone() };
        let base = preset.settings();
        let rules = base.rules.into_iter().chain(self.rules.clone()).collect();
        Self {
            description: self.description.clone(),
            preset: self.preset,
            count: self.count.or(base.count),
            fields: self.fields.or(base.fields),
            about: self.about.or(base.about),
            filter: self.filter.clone().or(base.filter),
            exclude_bought: self.exclude_bought.or(base.exclude_bought),
            exploration_percent: self.exploration_percent.or(base.exploration_percent),
            exposures: self.exposures.or(base.exposures),
            exposure_window_seconds: self.exposure_window_seconds.or(base.exposure_window_seconds),
            boosts: self.boosts.or(base.boosts),
            zone: self.zone.clone().or(base.zone),
            fallback: if self.fallback.is_empty() { base.fallback } else { self.fallback.clone() },
            rules,
        }
    }
}
