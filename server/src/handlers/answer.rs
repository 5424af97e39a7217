//! The parts that answers share.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use qianmian_models::ids::ItemIx;
use qianmian_models::index::catalog::Text;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::{Evidence, Source};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::fields::Id;
pub use crate::moment::Moment;
use crate::problem::{Code, Problem};

/// The model that an answer came from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ModelRef<'a> {
    /// Its version.
    pub version: &'a str,
    /// When it was trained, RFC 3339.
    pub trained_at: &'a str,
}

impl<'a> ModelRef<'a> {
    /// The model behind `snapshot`.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self { version: &snapshot.version, trained_at: &snapshot.trained_at }
    }
}

/// Why a list is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyReason {
    /// The model knows none of the items.
    UnknownItems,
    /// The items are known, but too few data connect them with others.
    InsufficientData,
    /// None of the items can be sold now.
    OffSale,
    /// All who were found do not allow to be contacted.
    NoConsent,
}

impl EmptyReason {
    /// The reason for which nothing was found for the `known` items; `None` if something was.
    pub fn of(known: &[ItemIx], found: usize) -> Option<Self> {
        Self::of_known(known.len(), found)
    }

    /// The same for a number of items in the model or described.
    pub fn of_known(known: usize, found: usize) -> Option<Self> {
        match (known, found) {
            (0, _) => Some(Self::UnknownItems),
            (_, 0) => Some(Self::InsufficientData),
            _ => None,
        }
    }
}

/// Why an item, or a person, is where it is in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason<'a> {
    /// The person bought it before, live purchases included.
    BoughtBefore {
        /// Number of their baskets with it.
        times: u32,
        /// The last purchase.
        #[schema(value_type = String, format = DateTime)]
        last_at: Moment,
        /// True if their usual time between two purchases of it has passed.
        is_due: bool,
    },
    /// The person bought an item that goes with these items, or that they resemble.
    BoughtCompanion {
        /// That item.
        item_id: &'a str,
        /// Its title, if the catalog has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        title: Option<&'a str>,
        /// Number of their baskets with it.
        times: u32,
        /// Lift: how many times likelier than chance its baskets hold the items, if that was counted.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        lift: Option<f32>,
    },
    /// It goes with an item of the person: people who buy the one buy the other, together or later.
    BoughtTogether {
        /// That item.
        item_id: &'a str,
        /// Its title, if the catalog has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        title: Option<&'a str>,
    },
    /// Its attributes resemble those of an item of the person, and one of the two was never sold.
    Resembles {
        /// That item.
        item_id: &'a str,
        /// Its title, if the catalog has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        title: Option<&'a str>,
    },
    /// It is to the person's taste, learned from the purchases of all.
    Taste,
    /// It sells well.
    Popular,
    /// The person buys often, and did recently.
    Active,
}

/// At most one reason for each source, strongest first.
#[derive(Debug, Clone, Copy)]
pub struct Reasons<'a> {
    list: [Reason<'a>; Source::COUNT],
    len: usize,
}

/// A source is a reason from this part of the strongest source's share of the score on.
const NOTABLE: f32 = 0.2;

impl<'a> Reasons<'a> {
    /// The reasons behind `evidence`, with the weights of the score; `reason` gives the reason of a source, if it has
    /// one.
    pub fn of(
        evidence: &Evidence,
        weights: &Evidence,
        mut reason: impl FnMut(Source) -> Option<Reason<'a>>,
    ) -> Self {
        let share = |source: Source| evidence[source as usize] * weights[source as usize];
        let mut sources = Source::ALL;
        sources.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
        let least = share(sources[0]) * NOTABLE;
        let mut reasons = Self { list: [Reason::Popular; Source::COUNT], len: 0 };
        for source in sources {
            let notable = share(source) > 0.0 && share(source) >= least;
            let worded = notable.then(|| reason(source)).flatten();
            // Two sources may give the same reason.
            if let Some(reason) = worded.filter(|r| !reasons.list[..reasons.len].contains(r)) {
                reasons.list[reasons.len] = reason;
                reasons.len += 1;
            }
        }
        reasons
    }
}

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.list[..self.len])
    }
}

/// The score of each source for a candidate, divided by the source's best in the answer; 0 to 1.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Evidences {
    /// Bought before.
    pub personal: f32,
    /// Shares baskets.
    pub co_purchase: f32,
    /// To their taste.
    pub factors: f32,
    /// Sells well (a person: buys often).
    pub popularity: f32,
    /// Regression on all of their purchases.
    pub ease: f32,
    /// Regression on their recent purchases.
    pub ease_recent: f32,
    /// Bought after what they bought last.
    pub transition: f32,
    /// Bought by people like them.
    pub user_knn: f32,
    /// Bought lately by people like them.
    pub user_knn_recent: f32,
    /// In the smooth directions of what they bought.
    pub low_pass: f32,
    /// The first external model.
    pub external_1: f32,
    /// The second external model.
    pub external_2: f32,
    /// Resembles what they bought or view, by its attributes.
    pub content: f32,
}

impl From<&Evidence> for Evidences {
    fn from(evidence: &Evidence) -> Self {
        let of = |source: Source| finite(evidence[source as usize]);
        Self {
            personal: of(Source::Personal),
            co_purchase: of(Source::CoPurchase),
            factors: of(Source::Factors),
            popularity: of(Source::Popularity),
            ease: of(Source::Ease),
            ease_recent: of(Source::EaseRecent),
            transition: of(Source::Transition),
            user_knn: of(Source::UserKnn),
            user_knn_recent: of(Source::UserKnnRecent),
            low_pass: of(Source::LowPass),
            external_1: of(Source::External1),
            external_2: of(Source::External2),
            content: of(Source::Content),
        }
    }
}

/// The reason that an item goes with `item`.
pub fn bought_together(snapshot: &Snapshot, item: ItemIx) -> Reason<'_> {
    Reason::BoughtTogether { item_id: snapshot.items.id(item), title: title(snapshot, item) }
}

/// The reason that an item resembles `item`.
pub fn resembles(snapshot: &Snapshot, item: ItemIx) -> Reason<'_> {
    Reason::Resembles { item_id: snapshot.items.id(item), title: title(snapshot, item) }
}

/// The title of an item, if the catalog has one.
pub fn title(snapshot: &Snapshot, item: ItemIx) -> Option<&str> {
    snapshot.catalog.text(item, Text::Title)
}

/// `score`; 0 if JSON cannot represent it.
pub fn finite(score: f32) -> f32 {
    if score.is_finite() { score } else { 0.0 }
}

/// Rows of the known items among `ids`, each once, in order; the unknown ones, each once, into `unknown`.
pub fn resolve<'r>(
    snapshot: &Snapshot,
    ids: impl IntoIterator<Item = &'r Id<'r>>,
    unknown: &mut Vec<&'r str>,
) -> Vec<ItemIx> {
    let mut known = Vec::new();
    for id in ids {
        match snapshot.items.ix(id.as_str()) {
            Some(item) if !known.contains(&item) => known.push(item),
            None if !unknown.contains(&id.as_str()) => unknown.push(id.as_str()),
            _ => {}
        }
    }
    known
}

/// An answer as JSON, in a body of about `bytes`.
///
/// # Errors
/// `internal`; the types of this crate always serialize.
pub fn json(answer: &impl Serialize, bytes: usize) -> Result<Response, Problem> {
    let mut body = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut body, answer)
        .map_err(|error| Problem::new(Code::Internal, format!("the answer cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reasons_come_strongest_first_without_weak_ones() {
        let word = |source| match source {
            Source::Factors => Some(Reason::Taste),
            Source::Popularity => Some(Reason::Popular),
            _ => Some(Reason::BoughtBefore { times: 1, last_at: Moment(0), is_due: false }),
        };
        let codes = |shown: [f32; 4]| -> Vec<String> {
            let mut evidence = Evidence::default();
            evidence[..4].copy_from_slice(&shown);
            let reasons = Reasons::of(&evidence, &[1.0; Source::COUNT], word);
            let json: serde_json::Value = serde_json::to_value(reasons).unwrap();
            json.as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(codes([0.1, 0.0, 0.9, 0.3]), ["taste", "popular"]);
        assert_eq!(codes([1.0, 0.0, 0.5, 0.0]), ["bought_before", "taste"]);
        assert!(codes([0.0; 4]).is_empty());
    }
}
