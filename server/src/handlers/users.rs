//! `/users/{id}`: the profile of one person in the model.

use axum::response::Response;
use qianmian_models::ids::UserIx;
use qianmian_models::index::profile::{Lifecycle, Profile};
use qianmian_models::index::purchases::Purchase;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use qianmian_money::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{ModelRef, Moment, finite, json};
use super::card::ItemCard;
use super::consent::{ConsentsOf, of_user};
use super::marks::{self, LiveMark};
use crate::app;
use crate::extract::{PathId, QueryString};
use crate::fields::{Count, is_id};
use crate::guard::Call;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// Length of the profile.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Length of the history; 50 by default.
    #[param(inline)]
    count: Option<Count<1000>>,
}

/// The profile of a person in the model.
#[derive(Serialize, ToSchema)]
pub struct UserResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    user_id: &'a str,
    activity: Activity<'a>,
    rfm: Rfm,
    lifecycle: Stage,
    consents: ConsentsOf,
    /// What they did since training; null if live state does not answer, or is not kept.
    live: Option<Vec<LiveMark<'a>>>,
    /// Different items bought.
    items_bought: usize,
    /// Items bought, latest first.
    history: Vec<HistoryItem<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Their purchases in the model's data window.
#[derive(Serialize, ToSchema)]
pub struct Activity<'a> {
    /// Baskets bought.
    baskets: u32,
    /// Units bought, net of returns.
    units: f32,
    /// Money spent, in the shop's currency.
    #[schema(value_type = f64)]
    spend: Decimal,
    /// First purchase.
    #[schema(value_type = String, format = DateTime)]
    first_at: Moment,
    /// Last purchase.
    #[schema(value_type = String, format = DateTime)]
    last_at: Moment,
    /// The channel of most of their purchases, if known.
    channel: Option<&'a str>,
}

/// Tiers over the shop's users, each 1 to 5, 5 best.
#[derive(Serialize, ToSchema)]
pub struct Rfm {
    /// How recently they bought.
    #[schema(minimum = 0, maximum = 5)]
    recency: u8,
    /// How often they buy.
    #[schema(minimum = 0, maximum = 5)]
    frequency: u8,
    /// How much they spend.
    #[schema(minimum = 0, maximum = 5)]
    monetary: u8,
}

/// The customer's stage, by their own pace.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// One basket, not long ago.
    Acquired,
    /// Buys at their usual pace.
    Active,
    /// Silent for over twice their usual gap.
    AtRisk,
    /// Silent for over four times their usual gap.
    Churned,
}

impl From<Lifecycle> for Stage {
    fn from(stage: Lifecycle) -> Self {
        match stage {
            Lifecycle::Acquired => Self::Acquired,
            Lifecycle::Active => Self::Active,
            Lifecycle::AtRisk => Self::AtRisk,
            Lifecycle::Churned => Self::Churned,
        }
    }
}

/// One item of a history.
#[derive(Serialize, ToSchema)]
pub struct HistoryItem<'a> {
    #[serde(flatten)]
    card: ItemCard<'a>,
    /// Number of their baskets with it.
    times: u32,
    /// First purchase.
    #[schema(value_type = String, format = DateTime)]
    first_at: Moment,
    /// Last purchase.
    #[schema(value_type = String, format = DateTime)]
    last_at: Moment,
    /// Mean days between two purchases, if there were two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mean_gap_days: Option<f32>,
}

/// Returns the profile of a person in the model.
#[utoipa::path(get, path = "/users/{id}", operation_id = "user", tag = "people",
    params(("id" = String, Path, description = "The user's id, percent-encoded.", min_length = 1, max_length = 256),
        UserQuery),
    responses((status = 200, description = "The person.", body = UserResponse<'_>),
        (status = 404, description = "The model does not know the user.", body = crate::problem::ProblemBody<'_>,
            content_type = "application/problem+json")))]
pub async fn get(
    call: Call,
    PathId(id): PathId,
    QueryString(query): QueryString<UserQuery>,
) -> Result<Response, Problem> {
    if !is_id(&id) {
        return Err(Problem::new(Code::InvalidField, "an id has 1 to 256 characters").at_field("id"));
    }
    // All waiting comes before the model is taken.
    let known = marks::known(&call.shop, &id).await;
    let model = call.shop.model()?;
    let view = model.view(app::now());
    let snapshot = view.snapshot;
    let unknown = || Problem::new(Code::UnknownUser, "the model that is served does not know this user");
    let user = snapshot.users.ix(&id).ok_or_else(unknown)?;
    let profile = snapshot.profiles.of(user);
    let count = query.count.map_or(50, Count::get);
    let history = snapshot.history.of(user);
    let response = UserResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        user_id: snapshot.users.id(user),
        activity: activity(snapshot, user, &profile),
        rfm: Rfm { recency: profile.rfm[0], frequency: profile.rfm[1], monetary: profile.rfm[2] },
        lifecycle: profile.lifecycle(view.now).into(),
        consents: of_user(&call, Some(&model), &id),
        live: known.map(|known| marks::marks(view, &known)),
        items_bought: history.len(),
        history: history.take(count).map(|purchase| history_item(view, &purchase)).collect(),
        took_us: call.took_us(),
    };
    json(&response, 1024 + 200 * response.history.len())
}

fn activity<'s>(snapshot: &'s Snapshot, user: UserIx, profile: &Profile) -> Activity<'s> {
    Activity {
        baskets: profile.baskets,
        units: finite(profile.units),
        spend: snapshot.catalog.currency().decimal(profile.spend),
        first_at: Moment(profile.first_at.into()),
        last_at: Moment(profile.last_at.into()),
        channel: snapshot.profiles.channel(user),
    }
}

fn history_item<'s>(view: View<'s>, purchase: &Purchase) -> HistoryItem<'s> {
    HistoryItem {
        card: ItemCard::of(view, purchase.ix),
        times: purchase.baskets,
        first_at: Moment(purchase.first_at.into()),
        last_at: Moment(purchase.last_at.into()),
        mean_gap_days: purchase.mean_gap_days(),
    }
}
