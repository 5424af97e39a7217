//! The answer of `/recommend`.

use qianmian_models::ids::ItemIx;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::slate::{Recommended, Slate};
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::{Evidence, Source};
use qianmian_models::view::View;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fallback::Fallback;
use crate::fields::DegradedPart;
use crate::handlers::answer::{Evidences, ModelRef, Reason, Reasons, bought_together, finite, resembles};
use crate::handlers::card::{Bought, ItemCard};
use crate::request_id::RequestId;

/// A slate.
#[derive(Serialize, ToSchema)]
pub struct RecommendResponse<'a> {
    /// Ties later events to this slate.
    #[schema(value_type = String)]
    pub(super) request_id: RequestId,
    pub(super) model: ModelRef<'a>,
    /// Whether the person's purchases or context were used.
    pub(super) personalized: bool,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    pub(super) degraded: &'a [&'a str],
    /// What the answer fell back to, if it is not as personal as asked.
    pub(super) fallback: Option<Fallback>,
    /// Ids of the request that the model does not know.
    pub(super) unknown_item_ids: Vec<&'a str>,
    /// Best first.
    pub(super) items: Vec<RecommendedItem<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    pub(super) took_us: u64,
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
    /// Strongest first.
    #[schema(value_type = Vec<Reason<'a>>)]
    reasons: Reasons<'a>,
    /// The score of every source, with `explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<Evidences>,
}

/// A candidate source.
// The schema of the type of models, which is free of HTTP; a test holds the two equal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceName {
    /// Bought before.
    Personal,
    /// Shares baskets.
    CoPurchase,
    /// To their taste.
    Factors,
    /// Sells well.
    Popularity,
    /// Regression on all of their purchases.
    Ease,
    /// Regression on their recent purchases.
    EaseRecent,
    /// Bought after what they bought last.
    Transition,
    /// Bought by people like them.
    UserKnn,
    /// Bought lately by people like them.
    UserKnnRecent,
    /// In the smooth directions of what they bought.
    LowPass,
    /// The first external model.
    #[serde(rename = "external_1")]
    External1,
    /// The second external model.
    #[serde(rename = "external_2")]
    External2,
    /// Resembles what they bought or view, by its attributes.
    Content,
}

/// What the slate fell back to, if it is not as personal as asked; `named` says that a person is named and may be known.
pub fn fallback(snapshot: &Snapshot, named: bool, query: &Query, slate: &Slate) -> Option<Fallback> {
    let is_live = slate.personalized && !query.touched.is_empty();
    if snapshot.items.is_empty() {
        Some(Fallback::EmptyCatalog)
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
    explain: bool,
    rank: usize,
    item: &Recommended,
) -> RecommendedItem<'s> {
    let snapshot = view.snapshot;
    RecommendedItem {
        card: ItemCard::of(view, item.item),
        rank,
        score: finite(item.score),
        source: item.source,
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
