//! `/bundle` (搭配购): what completes a cart, and sets that are bought together.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use qianmian_models::bundle::{self, Bundle, BundleQuery, Complement, Evidence};
use qianmian_models::ids::ItemIx;
use qianmian_models::index::co_purchase::Association;
use qianmian_models::recommend::query::Query;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;
use qianmian_money::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EmptyReason, ModelRef, finite, json, resolve};
use super::card::ItemCard;
use super::person::{self, UserRef};
use crate::app::{self, App};
use crate::context::{LiveContext, Visit};
use crate::extract::JsonBody;
use crate::fields::{CardFields, Count, DegradedPart, Ids, optional_object};
use crate::guard::Call;
use crate::live::USER_STATE;
use crate::problem::{Code, Problem};
use crate::request_id::RequestId;

/// The scene of bundles; exposures in it are not counted.
const SCENE: &str = "bundle";

/// What goes with this cart?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleRequest<'a> {
    /// Items in the cart.
    #[serde(borrow)]
    cart: Ids<'a, 1, 100>,
    /// Length of each of the two lists.
    #[serde(default = "usual_count")]
    #[schema(default = 10)]
    count: Count<200>,
    /// Fewest baskets that must hold a bundle; of a predicted one, every two of its items.
    #[serde(default = "usual_baskets")]
    #[schema(default = 2)]
    min_baskets: Count<1_000_000>,
    /// Fewest items of a bundle.
    #[serde(default = "smallest")]
    #[schema(default = 2)]
    min_items: Count<5, 2>,
    /// Most items of a bundle.
    #[serde(default = "largest")]
    #[schema(default = 5)]
    max_items: Count<5, 2>,
    /// Which bundles there may be.
    #[serde(default)]
    #[schema(default = "strict")]
    mode: Mode,
    /// The person, with `personalize` only: their purchases, live ones too, and what they rejected.
    #[serde(borrow, default, deserialize_with = "optional_object")]
    user: Option<UserRef<'a>>,
    /// Lifts complements that the person buys repeatedly; fewer will be new to them.
    #[serde(default)]
    personalize: bool,
    /// What the answer carries of every item beside its id; by default all but `stock` and `tags`.
    #[serde(default)]
    #[schema(nullable = false)]
    fields: Option<CardFields>,
}

/// Which bundles there may be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those that real baskets hold.
    #[default]
    Strict,
    /// Those, then predicted ones, up to `count`.
    Relaxed,
}

impl BundleRequest<'_> {
    fn query<'c>(&self, cart: &'c [ItemIx], exclude: &'c [ItemIx]) -> Result<BundleQuery<'c>, Problem> {
        let (least, most) = (self.min_items.get(), self.max_items.get());
        if least > most {
            let detail = format!("max_items is {most}, but min_items is {least}");
            return Err(Problem::new(Code::InvalidField, detail).at_field("max_items"));
        }
        Ok(BundleQuery {
            cart,
            sizes: least..=most,
            // At most 1,000,000 by its type.
            min_baskets: self.min_baskets.get() as u32,
            predict: self.mode == Mode::Relaxed,
            exclude,
            count: self.count.get(),
        })
    }

    /// The live context of the person, if the answer is personalized.
    async fn context(&self, call: &Call) -> Result<Option<LiveContext>, Problem> {
        let who = person::of_call(&call.caller, self.user.as_ref())?;
        if !self.personalize || !who.is_named() {
            return Ok(None);
        }
        let is_storefront = call.is_storefront();
        let visit = Visit { who, is_storefront, session_id: None, channel: None, region: None };
        Ok(Some(LiveContext::load(&call.shop, visit).await))
    }
}

/// True if any purchase of the person is known.
fn has_bought(snapshot: &Snapshot, person: &Query) -> bool {
    !person.bought.is_empty() || person.user.is_some_and(|user| !snapshot.history.ixs(user).is_empty())
}

fn smallest() -> Count<5, 2> {
    Count::of(2)
}

fn largest() -> Count<5, 2> {
    Count::of(5)
}

fn usual_count() -> Count<200> {
    Count::of(10)
}

fn usual_baskets() -> Count<1_000_000> {
    Count::of(2)
}

/// Complements and bundles for a cart.
#[derive(Serialize, ToSchema)]
pub struct BundleResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// True if purchases of the person went into the complements.
    personalized: bool,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    degraded: &'a [&'a str],
    /// Why both lists are empty, if they are.
    empty_reason: Option<EmptyReason>,
    /// Why there are no bundles, if there are none.
    bundles_empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: Vec<&'a str>,
    /// Items that complete the whole cart, best first.
    complements: Vec<ComplementItem<'a>>,
    /// Sets of items of the cart and what goes with them, observed ones first, best first.
    bundles: Vec<BundleSet<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// An item that completes the cart.
#[derive(Serialize, ToSchema)]
pub struct ComplementItem<'a> {
    #[serde(flatten)]
    item: ItemCard<'a>,
    /// Place, from 1.
    rank: usize,
    /// Comparable within one answer; higher is better.
    score: f32,
    /// The cart item that it goes with best; the figures are for this pair.
    with_item_id: &'a str,
    #[serde(flatten)]
    figures: Figures,
}

/// A set of two to five items to sell together.
#[derive(Serialize, ToSchema)]
pub struct BundleSet<'a> {
    /// Place, from 1.
    rank: usize,
    /// The evidence for the set.
    evidence: EvidenceName,
    /// The items; those of the cart are first.
    items: Vec<ItemCard<'a>>,
    /// Of a predicted set, the two items that fewest baskets hold together; the figures are for this pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pair_item_ids: Option<[&'a str; 2]>,
    #[serde(flatten)]
    figures: Figures,
    /// Sum of the prices in the shop's currency, if all are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    price: Option<Decimal>,
    /// Price minus the sum of the costs, if all are known; storefront keys do not learn it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = f64)]
    margin: Option<Decimal>,
    /// How many such sets could be sold when the model was trained: pieces of the scarcest item, where all
    /// are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stock: Option<u32>,
}

/// The evidence for a set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceName {
    /// Real baskets hold all of it.
    Observed,
    /// It is predicted; real baskets hold every two of its items.
    Predicted,
}

/// How strongly two things go together: two items, or the items of the cart in a set and the rest of it.
#[derive(Serialize, ToSchema)]
pub struct Figures {
    /// Baskets that hold both.
    baskets: u32,
    /// Share of all baskets that hold both; 0 to 1.
    support: f64,
    /// Share of the baskets with the first that hold the second, too; 0 to 1.
    confidence: f64,
    /// Confidence over the second's share of all baskets; 1 is chance.
    lift: f64,
}

impl Figures {
    fn of(baskets: u32, association: Association) -> Self {
        let Association { support, confidence, lift } = association;
        Self { baskets, support, confidence, lift }
    }
}

/// Finds what completes a cart, and sets that are bought together.
#[utoipa::path(post, path = "/bundle", operation_id = "bundle", tag = "goods -> goods", request_body = BundleRequest<'_>,
    responses((status = 200, description = "Complements and bundles.", body = BundleResponse<'_>)))]
pub async fn post(call: Call, State(app): State<Arc<App>>, body: JsonBody) -> Result<Response, Problem> {
    let request: BundleRequest<'_> = body.parse()?;
    // Before the model is taken: it is not held while something waits.
    let context = request.context(&call).await?;
    let model = call.shop.model()?;
    let context = context.map(|context| context.as_allowed(&call.shop, &model));
    app.telemetry.consents.made_anonymous(context.as_ref().is_some_and(|(_, refused)| *refused));
    let context = context.map(|(context, _)| context);
    let degraded = context.as_ref().map_or(&[][..], LiveContext::degraded);
    let context = context.filter(|context| !context.is_anonymous());
    if degraded.contains(&USER_STATE) {
        app.telemetry.degraded_user_state.increment(1);
    }
    let view = model.view(app::now());
    let snapshot = view.snapshot;
    let mut unknown_item_ids = Vec::new();
    let cart = resolve(snapshot, request.cart.iter(), &mut unknown_item_ids);
    let scene = call.shop.scenes.get(SCENE);
    let apply = |context: &LiveContext| context.apply_to(snapshot, (SCENE, &scene), Query::default());
    let person = context.as_ref().map(apply).unwrap_or_default();
    let query = request.query(&cart, &person.exclude)?;
    let complements = bundle::personal_complements(view, &cart, &person, query.count);
    let bundles = bundle::bundles(view, &query);
    let fields = request.fields.unwrap_or_default();
    let found = complements.len() + bundles.len();
    let response = BundleResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        personalized: has_bought(snapshot, &person) && !cart.is_empty(),
        degraded,
        empty_reason: EmptyReason::of(&cart, found),
        bundles_empty_reason: EmptyReason::of(&cart, bundles.len()),
        unknown_item_ids,
        complements: complements
            .iter()
            .enumerate()
            .map(|(n, c)| complement_item((view, fields), n + 1, c))
            .collect(),
        bundles: bundles
            .iter()
            .enumerate()
            .map(|(n, b)| bundle_set((view, fields), &call, n + 1, b))
            .collect(),
        took_us: call.took_us(),
    };
    json(&response, 512 + 400 * found)
}

fn complement_item<'s>(
    (view, fields): (View<'s>, CardFields),
    rank: usize,
    complement: &Complement,
) -> ComplementItem<'s> {
    ComplementItem {
        item: ItemCard::with(view, complement.item, fields),
        rank,
        score: finite(complement.score),
        with_item_id: view.snapshot.items.id(complement.with),
        figures: Figures::of(complement.baskets, complement.association),
    }
}

fn bundle_set<'s>(
    (view, fields): (View<'s>, CardFields),
    call: &Call,
    rank: usize,
    bundle: &Bundle,
) -> BundleSet<'s> {
    let snapshot = view.snapshot;
    let amount = |money| snapshot.catalog.currency().decimal(money);
    let (evidence, pair_item_ids) = match bundle.evidence {
        Evidence::Observed => (EvidenceName::Observed, None),
        Evidence::Predicted { pair: (a, b) } => {
            (EvidenceName::Predicted, Some([a, b].map(|item| snapshot.items.id(item))))
        }
    };
    BundleSet {
        rank,
        evidence,
        items: bundle.items.iter().map(|&item| ItemCard::with(view, item, fields)).collect(),
        pair_item_ids,
        figures: Figures::of(bundle.baskets, bundle.association),
        price: bundle.offer.price.map(amount),
        margin: bundle.offer.margin.filter(|_| !call.is_storefront()).map(amount),
        stock: bundle.offer.stock,
    }
}
