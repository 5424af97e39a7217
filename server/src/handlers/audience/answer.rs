//! The answer of `/audience`.

use std::sync::Arc;

use axum::response::Response;
use qianmian_models::audience::{AudienceQuery, Prospect, holdout};
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::index::likelihood::Horizon;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::source::Source;
use serde::Serialize;
use utoipa::ToSchema;

use crate::guard::Call;
use crate::handlers::answer::{EmptyReason, ModelRef, Reason, Reasons, finite, json, title};
use crate::handlers::card::Bought;
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::snapshots::Loaded;

/// An audience.
#[derive(Serialize, ToSchema)]
pub struct AudienceResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Why there is nobody, if there is nobody.
    empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: &'a [String],
    /// Ids of the request that cannot be sold now; they were left out.
    off_sale_item_ids: Vec<&'a str>,
    /// Candidates who were left out, by reason.
    excluded: Excluded,
    /// The horizon of the probabilities; null if the model has none.
    within: Option<Within>,
    /// Expected number of buyers among the first k, without any campaign.
    expected_conversions: Vec<Expected>,
    /// Likeliest first.
    users: Vec<AudienceUser<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Candidates who were left out of an audience.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Excluded {
    /// They do not allow to be contacted.
    no_contact_consent: usize,
}

/// The horizon of a probability.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Within {
    /// A number of days from the moment of the answer.
    Days {
        /// The days.
        days: f32,
    },
    /// Their next basket: the shop's orders carry no times.
    NextBasket,
}

/// Expected buyers among the first people of an audience.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Expected {
    /// Number of people, from the first.
    first: usize,
    /// Expected buyers among them: the sum of their probabilities.
    conversions: f32,
}

/// One person of an audience.
#[derive(Serialize, ToSchema)]
pub struct AudienceUser<'a> {
    user_id: &'a str,
    /// Place, from 1.
    rank: usize,
    /// Higher is likelier to buy: the probability if there is one, else comparable within one answer.
    score: f32,
    /// Probability that they buy any of the items within `within`, 0 to 1, comparable across items; null if the model
    /// has none.
    probability: Option<f32>,
    segment: Segment,
    /// The group drawn by lot, with `holdout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    group: Option<Group>,
    /// Number of their baskets with one of the items.
    bought: u32,
    /// The channel of most of their purchases, if known.
    channel: Option<&'a str>,
    /// Strongest first.
    #[schema(value_type = Vec<Reason<'a>>)]
    reasons: Reasons<'a>,
}

/// True if the person bought one of the items before.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// They did.
    Repeat,
    /// They did not.
    New,
}

/// The group of a person in a campaign.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Reach them.
    Reach,
    /// Do not reach them, and compare.
    Holdout,
}

/// An audience, with all data needed to serialize it.
pub struct Audience {
    pub model: Arc<Loaded>,
    pub query: AudienceQuery,
    /// The moment that was answered as of, unix seconds.
    pub now: i64,
    /// Items left out because they cannot be sold now.
    pub off_sale: Vec<ItemIx>,
    pub prospects: Vec<Prospect>,
    /// Candidates who do not allow to be contacted.
    pub without_consent: usize,
    /// Share and seed of the lot.
    pub holdout: Option<(f64, String)>,
}

impl Audience {
    /// As one document.
    ///
    /// # Errors
    /// `internal`, if it cannot be serialized.
    pub fn whole(&self, call: &Call, unknown: &[String]) -> Result<Response, Problem> {
        let users: Vec<AudienceUser<'_>> = (0..self.prospects.len()).map(|n| self.user(n)).collect();
        let asked = self.query.items.len() + usize::from(self.query.described.is_some());
        let response = AudienceResponse {
            request_id: call.id,
            model: ModelRef::of(&self.model.snapshot),
            empty_reason: match asked {
                0 if !self.off_sale.is_empty() => Some(EmptyReason::OffSale),
                _ if users.is_empty() && self.without_consent > 0 => Some(EmptyReason::NoConsent),
                _ => EmptyReason::of_known(asked, users.len()),
            },
            unknown_item_ids: unknown,
            off_sale_item_ids: self.off_sale.iter().map(|&item| self.model.snapshot.items.id(item)).collect(),
            excluded: Excluded { no_contact_consent: self.without_consent },
            within: self.within(),
            expected_conversions: expected(&self.prospects),
            took_us: call.took_us(),
            users,
        };
        json(&response, 512 + 240 * self.prospects.len())
    }

    /// The horizon of the probabilities.
    pub fn within(&self) -> Option<Within> {
        self.model.snapshot.likelihood.as_ref().map(|likelihood| match likelihood.horizon {
            Horizon::Days(days) => Within::Days { days },
            Horizon::NextBasket => Within::NextBasket,
        })
    }

    /// The `n`-th person, from 0.
    pub fn user(&self, n: usize) -> AudienceUser<'_> {
        let (snapshot, prospect) = (&self.model.snapshot, &self.prospects[n]);
        let user_id = snapshot.users.id(prospect.user);
        let group = self.holdout.as_ref().map(|(share, seed)| match holdout(user_id, seed, *share) {
            true => Group::Holdout,
            false => Group::Reach,
        });
        AudienceUser {
            user_id,
            rank: n + 1,
            score: finite(prospect.score),
            probability: prospect.probability,
            segment: if prospect.bought > 0 { Segment::Repeat } else { Segment::New },
            group,
            bought: prospect.bought,
            channel: snapshot.profiles.channel(prospect.user),
            reasons: self.reasons(snapshot, prospect),
        }
    }

    fn reasons<'a>(&self, snapshot: &'a Snapshot, prospect: &Prospect) -> Reasons<'a> {
        Reasons::of(&prospect.evidence, &snapshot.blend.audience, |source| match source {
            Source::Personal => self.bought_before(snapshot, prospect.user),
            Source::Factors | Source::UserKnn | Source::UserKnnRecent => Some(Reason::Taste),
            Source::External1 | Source::External2 if prospect.seed.is_none() => Some(Reason::Taste),
            Source::Popularity => Some(Reason::Active),
            _ => prospect.seed.map(|other| self.bought_companion(snapshot, prospect.user, other)),
        })
    }

    fn bought_before<'a>(&self, snapshot: &'a Snapshot, user: UserIx) -> Option<Reason<'a>> {
        let is_asked = |item: &u32| self.query.items.binary_search(item).is_ok();
        let mut bought = Bought::default();
        for purchase in snapshot.history.of(user).filter(|purchase| is_asked(&purchase.ix)) {
            bought.add(&purchase, self.now);
        }
        let since = &self.query.since[self.query.since.partition_point(|since| since.user < user)..];
        let of_user = since.iter().take_while(|since| since.user == user);
        of_user.filter_map(|since| since.bought_at).for_each(|at| bought.add_since(at));
        bought.reason()
    }

    /// The user's purchases of an item that goes with the given items, or that they resemble.
    fn bought_companion<'a>(&self, snapshot: &'a Snapshot, user: UserIx, other: ItemIx) -> Reason<'a> {
        let times = snapshot.history.of(user).find(|p| p.ix == other).map_or(0, |p| p.baskets);
        let goods = |item: &u32| self.query.items.binary_search(item).is_ok();
        let pairs = snapshot.co_purchase.pairs(other).filter(|pair| goods(&pair.item));
        let lift =
            pairs.map(|pair| snapshot.co_purchase.association(other, pair.item, pair.baskets).lift as f32);
        Reason::BoughtCompanion {
            item_id: snapshot.items.id(other),
            title: title(snapshot, other),
            times,
            lift: lift.max_by(f32::total_cmp),
        }
    }
}

/// For the first 10, 100, 1,000 and so on, and for all; empty without probabilities.
fn expected(prospects: &[Prospect]) -> Vec<Expected> {
    let (mut sum, mut next, mut out) = (0.0f64, 10, Vec::new());
    for (n, prospect) in prospects.iter().enumerate() {
        let Some(probability) = prospect.probability else { return Vec::new() };
        sum += f64::from(probability);
        let first = n + 1;
        if first == next || first == prospects.len() {
            out.push(Expected { first, conversions: sum as f32 });
            next *= if first == next { 10 } else { 1 };
        }
    }
    out
}
