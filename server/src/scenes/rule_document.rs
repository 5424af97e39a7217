//! A rule as people write it.

use chrono::DateTime;
use qianmian_models::rules::attribute::Attribute;
use qianmian_models::rules::rule::Share;
use qianmian_models::rules::validity::Weekly;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document_fault::DocumentFault;

/// Longest name of a rule, in bytes.
const MAX_ID: usize = 64;
/// Most items of a quota, and most slots of a window.
const MAX_SLOTS: usize = 200;
/// Most weekly hours of a rule.
const MAX_WEEKLY: usize = 21;

/// What happens to a slate, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Its name, unique in the scene: 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64)]
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// `false` sets it aside.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schema(default = true)]
    pub enabled: bool,
    /// Rules of higher priority are met first.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(default = 0)]
    pub priority: i32,
    /// A condition over `user`, `context` and `params`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2048)]
    pub when: Option<String>,
    /// From this moment on, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub from: Option<String>,
    /// Before this moment, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// In any of these hours, in the scene's zone; at all times if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 21)]
    pub weekly: Vec<WeeklyDocument>,
    /// What it does.
    pub action: ActionDocument,
}

/// Hours on days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyDocument {
    /// The days; every day if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    days: Vec<DayName>,
    /// `HH:MM`, the first minute.
    from: String,
    /// `HH:MM`, the minute after the last one; on the next day if it is not after `from`.
    until: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayName {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// What a rule does; one of these. `items` is a predicate over items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionDocument {
    /// Shows these items alone.
    Filter {
        /// The items.
        items: String,
    },
    /// Never shows these items.
    Hide {
        /// The items.
        items: String,
    },
    /// Multiplies the scores of these items.
    Boost {
        /// The items.
        items: String,
        /// 0.01 to 100; above 1 lifts, below 1 lowers.
        factor: f32,
    },
    /// Ranks these items below all others.
    Bury {
        /// The items.
        items: String,
    },
    /// Puts an item into a slot. While it cannot be shown, the next item takes its place.
    Pin {
        /// The item.
        item_id: String,
        /// From 1.
        slot: usize,
    },
    /// Keeps a number of these items among the first slots; `item.is_new` promotes new arrivals.
    Mix(Quota),
    /// Keeps items of one value apart (打散).
    Spacing {
        /// The attribute; each label of an item counts.
        by: AttributeName,
        /// Most items of one value.
        at_most: usize,
        /// In so many slots in a row.
        window: usize,
    },
}

/// Bounds of a number of items among the first slots; at least one of the four.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The items.
    pub items: String,
    /// Fewest items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at_least: Option<usize>,
    /// Most items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at_most: Option<usize>,
    /// Fewest items, of a hundred slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at_least_percent: Option<usize>,
    /// Most items, of a hundred slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub at_most_percent: Option<usize>,
    /// Number of first slots; the whole slate if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first: Option<usize>,
}

/// An attribute whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributeName {
    /// The whole path of categories.
    Category,
    /// The first step of the path.
    TopCategory,
    /// The brand.
    Brand,
    /// The seller.
    MerchantId,
    /// Every label.
    Tags,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

impl From<AttributeName> for Attribute {
    fn from(name: AttributeName) -> Self {
        match name {
            AttributeName::Category => Self::Category,
            AttributeName::TopCategory => Self::TopCategory,
            AttributeName::Brand => Self::Brand,
            AttributeName::MerchantId => Self::MerchantId,
            AttributeName::Tags => Self::Tags,
        }
    }
}

impl RuleDocument {
    /// A rule of a preset: of lowest priority, so that any other precedes it.
    pub(super) fn preset(id: &str, action: ActionDocument) -> Self {
        Self {
            id: id.to_owned(),
            description: String::new(),
            enabled: true,
            priority: -1_000,
            when: None,
            from: None,
            until: None,
            weekly: Vec::new(),
            action,
        }
    }

    /// Checks the bounds of single fields; `field` is the path of the rule.
    ///
    /// # Errors
    /// The first one that is out of bounds.
    pub(super) fn check(&self, field: &str) -> Result<(), DocumentFault> {
        let fault = |name: &str, reason: String| Err(DocumentFault::new(format!("{field}.{name}"), reason));
        if !(1..=MAX_ID).contains(&self.id.len()) {
            return fault("id", format!("1 to {MAX_ID} bytes, not {}", self.id.len()));
        }
        if self.weekly.len() > MAX_WEEKLY {
            return fault("weekly", format!("at most {MAX_WEEKLY} entries, not {}", self.weekly.len()));
        }
        let slots = |name: &str, got: usize| match got {
            1..=MAX_SLOTS => Ok(()),
            _ => fault(&format!("action.{name}"), format!("1 to {MAX_SLOTS}, not {got}")),
        };
        match &self.action {
            ActionDocument::Boost { factor, .. } if !(0.01..=100.0).contains(factor) => {
                fault("action.boost.factor", format!("0.01 to 100, not {factor}"))
            }
            ActionDocument::Pin { slot, .. } => slots("pin.slot", *slot),
            ActionDocument::Spacing { at_most, window, .. } => {
                slots("spacing.at_most", *at_most)?;
                slots("spacing.window", *window)
            }
            ActionDocument::Mix(quota) => quota.check(&format!("{field}.action.mix")),
            _ => Ok(()),
        }
    }

    /// The moment of `from` or `until`, unix seconds.
    pub(super) fn moment(field: String, text: &Option<String>) -> Result<Option<i64>, DocumentFault> {
        let Some(text) = text else { return Ok(None) };
        let read = DateTime::parse_from_rfc3339(text).map(|at| Some(at.timestamp()));
        read.map_err(|_| {
            DocumentFault::new(field, "RFC 3339 with an offset, such as 2026-11-11T00:00:00+08:00")
        })
    }
}

impl Quota {
    fn check(&self, field: &str) -> Result<(), DocumentFault> {
        let bounds = [self.at_least, self.at_most, self.at_least_percent, self.at_most_percent];
        if bounds == [None; 4] {
            return Err(DocumentFault::new(
                field,
                "at least one of `at_least`, `at_most` and their percentages",
            ));
        }
        for (name, twice) in [
            ("at_least", self.at_least.is_some() && self.at_least_percent.is_some()),
            ("at_most", self.at_most.is_some() && self.at_most_percent.is_some()),
        ] {
            if twice {
                let field = format!("{field}.{name}_percent");
                return Err(DocumentFault::new(field, format!("`{name}` or `{name}_percent`, not both")));
            }
        }
        for (name, got, least, most) in [
            ("at_least", self.at_least, 0, MAX_SLOTS),
            ("at_most", self.at_most, 0, MAX_SLOTS),
            ("at_least_percent", self.at_least_percent, 0, 100),
            ("at_most_percent", self.at_most_percent, 0, 100),
            ("first", self.first, 1, MAX_SLOTS),
        ] {
            if let Some(got) = got.filter(|got| !(least..=most).contains(got)) {
                return Err(DocumentFault::new(
                    format!("{field}.{name}"),
                    format!("{least} to {most}, not {got}"),
                ));
            }
        }
        Ok(())
    }

    /// The fewest and the most items.
    pub(super) fn shares(&self) -> (Option<Share>, Option<Share>) {
        let share = |count: Option<usize>, percent: Option<usize>| {
            count.map(Share::Count).or(percent.map(Share::Percent))
        };
        (share(self.at_least, self.at_least_percent), share(self.at_most, self.at_most_percent))
    }
}

impl WeeklyDocument {
    /// The hours in minutes; `field` is the path of the entry.
    pub(super) fn compile(&self, field: &str) -> Result<Weekly, DocumentFault> {
        let minute = |name: &str, text: &str| {
            let read = || {
                let (hour, minute) = text.split_once(':')?;
                let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
                (text.len() == 5 && minute < 60 && 60 * hour + minute <= 24 * 60)
                    .then_some(60 * hour + minute)
            };
            read().ok_or_else(|| {
                DocumentFault::new(format!("{field}.{name}"), "a time such as 09:30, at most 24:00")
            })
        };
        let days = self.days.iter().fold(0, |days, day| days | 1 << *day as u8);
        let days = if self.days.is_empty() { 0x7f } else { days };
        Ok(Weekly {
            days,
            from_minute: minute("from", &self.from)?,
            until_minute: minute("until", &self.until)?,
        })
    }
}
