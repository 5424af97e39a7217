//! The answer of `/recommend`.

use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::slate::{Recommended, Slate, Slot};
use qianmian_models::rules::rule::Unmet;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::{Evidence, Source};
use qianmian_models::view::View;
use serde::Serialize;
use utoipa::ToSchema;

use super::fill::FilledBy;
use crate::fallback::Fallback;
use crate::fields::{BecauseName, CardFields, DegradedPart, SourceName};
use crate::handlers::answer::{Evidences, ModelRef, Reason, Reasons, bought_together, finite, resembles};
use crate::handlers::card::{Bought, ItemCard};
use crate::request_id::RequestId;
use crate::rooms::Card;

/// A slate with the call that asked for it.
#[derive(Serialize, ToSchema)]
pub struct RecommendResponse<'a> {
    /// Ties later events to this slate.
    #[schema(value_type = String)]
    pub(super) request_id: RequestId,
    pub(super) model: ModelRef<'a>,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    pub(super) degraded: &'a [&'a str],
    #[serde(flatten)]
    pub(super) slate: SlateAnswer<'a>,
    /// Microseconds from reading the request's headers to writing this.
    pub(super) took_us: u64,
}

/// A slate.
#[derive(Serialize, ToSchema)]
pub struct SlateAnswer<'a> {
    /// True if the person's purchases or context were used.
    pub(super) personalized: bool,
    /// What the answer fell back to, if it is not as personal as asked.
    pub(super) fallback: Option<Fallback>,
    /// Ids of the request that the model does not know.
    pub(super) unknown_item_ids: Vec<&'a str>,
    /// Scenes that filled up a slate that would be shorter than asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) filled_by: Vec<FilledBy>,
    /// Rules about slots that the slate does not satisfy, highest priority first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unmet: Vec<UnmetRule>,
    /// In a room: its products that the model does not know, where the slate has slots left, in the order of its list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) room_products: Vec<Card>,
    /// Best first.
    pub(super) items: Vec<RecommendedItem<'a>>,
    /// `cursor` of the next page, valid for half an hour; null where the list ends.
    pub(super) next_cursor: Option<String>,
}

impl SlateAnswer<'_> {
    /// The same slate as a whole list: no page follows.
    pub fn whole(self) -> Self {
        Self { next_cursor: None, ..self }
    }
}

/// How a slot was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlotName {
    /// By rank.
    Ranked,
    /// Reserved for an item without sales.
    Exploration,
    /// By a rule that pins the item to it.
    Pinned,
    /// By an item that ranking did not propose and a rule asks for.
    Ruled,
    /// By an item that ranks below all others because the person bought it or ignored it often.
    Backfill,
}

impl From<Slot> for SlotName {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Ranked => Self::Ranked,
            Slot::Exploration => Self::Exploration,
            Slot::Pinned => Self::Pinned,
            Slot::Ruled => Self::Ruled,
            Slot::Backfill(_) => Self::Backfill,
        }
    }
}

/// A rule about slots that the slate does not satisfy.
#[derive(Serialize, ToSchema)]
pub struct UnmetRule {
    /// Its name.
    rule: String,
    /// What it asks for: the slot of a pin; the number of items of a mix, or of one value in a window.
    wanted: usize,
    /// What the slate has instead; 0 where a pinned item is not in it.
    got: usize,
    #[schema(value_type = BecauseName)]
    because: &'static str,
}

impl From<&Unmet> for UnmetRule {
    fn from(unmet: &Unmet) -> Self {
        let because = unmet.because.name();
        Self { rule: unmet.rule.to_string(), wanted: unmet.wanted, got: unmet.got, because }
    }
}

/// One item of a slate.
#[derive(Serialize, ToSchema)]
pub struct RecommendedItem<'a> {
    #[serde(flatten)]
    card: ItemCard<'a>,
    /// Position, from 1.
    rank: usize,
    /// Comparable within one answer; higher is better.
    score: f32,
    /// The source that contributed most.
    #[schema(value_type = SourceName)]
    source: Source,
    /// How the slot was filled, with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    slot: Option<SlotName>,
    /// Strongest first.
    #[schema(value_type = Vec<Reason<'a>>)]
    reasons: Reasons<'a>,
    /// The score of every source, with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<Evidences>,
}

impl RecommendedItem<'_> {
    /// The item with the price and the stock of the room that `view` is in.
    pub fn offered(mut self, view: View<'_>, item: ItemIx, fields: CardFields) -> Self {
        self.card = self.card.offered(view, item, fields);
        self
    }
}

/// What the slate fell back to, if it is not as personal as asked; `named` says that a person is named and may be known.
pub fn fallback(snapshot: &Snapshot, named: bool, query: &Query, slate: &Slate) -> Option<Fallback> {
    let is_live = slate.personalized && !query.touched.is_empty();
    if snapshot.items.is_empty() {
        Some(Fallback::EmptyCatalog)
    } else if slate.items.is_empty() {
        Some(Fallback::NothingLeft)
    } else if named && query.user.is_none() && !is_live {
        Some(Fallback::UnknownUser)
    } else if slate.personalized {
        None
    } else if named || !query.recent.is_empty() {
        Some(Fallback::NoHistory)
    } else {
        Some(Fallback::Popularity)
    }
}

/// One item of the slate, with its reasons.
pub fn recommended_item<'s>(
    view: View<'s>,
    (query, weights): (&Query, &Evidence),
    (explain, fields): (bool, CardFields),
    rank: usize,
    item: &Recommended,
) -> RecommendedItem<'s> {
    let snapshot = view.snapshot;
    RecommendedItem {
        card: ItemCard::with(view, item.item, fields),
        rank,
        score: finite(item.score),
        source: item.source,
        slot: explain.then(|| SlotName::from(item.slot)),
        reasons: Reasons::of(&item.evidence, weights, |source| match source {
            Source::Personal => bought_before(view, query, item.item),
            Source::CoPurchase | Source::Ease | Source::EaseRecent | Source::Transition => {
                item.seed.map(|other| bought_together(snapshot, other))
            }
            Source::Factors
            | Source::UserKnn
            | Source::UserKnnRecent
            | Source::LowPass
            | Source::External1
            | Source::External2 => Some(Reason::Taste),
            Source::Content => item.seed.map(|other| resembles(snapshot, other)),
            Source::Popularity => Some(Reason::Popular),
        }),
        evidence: explain.then(|| Evidences::from(&item.evidence)),
    }
}

/// That the person of `query` bought `item`, if they did: as the model knows, or since.
fn bought_before<'a>(view: View<'_>, query: &Query, item: ItemIx) -> Option<Reason<'a>> {
    let snapshot = view.snapshot;
    let mut bought = Bought::default();
    let n = query.user.and_then(|user| snapshot.history.ixs(user).iter().position(|&known| known == item));
    if let Some((user, n)) = query.user.zip(n) {
        snapshot.history.of(user).nth(n).iter().for_each(|purchase| bought.add(purchase, view.now));
    }
    query.bought.iter().filter(|(known, _)| *known == item).for_each(|&(_, at)| bought.add_since(at));
    bought.reason()
}
