//! `/bundle` (搭配购): complements of a cart, and sets that are bought together.

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

/// On a page, sets that are looked at for each that is shown: those that share items are left out.
const CHOICE: usize = 4;

impl BundleRequest<'_> {
    /// Checks that involve several fields.
    ///
    /// # Errors
    /// Sets would have at least more items than at most.
    pub fn check(&self) -> Result<(), Problem> {
        let (least, most) = (self.min_items.get(), self.max_items.get());
        if least > most {
            let detail = format!("max_items is {most}, but min_items is {least}");
            return Err(Problem::new(Code::InvalidField, detail).at_field("max_items"));
        }
        Ok(())
    }

    /// True if it names a person of its own.
    pub fn names_person(&self) -> bool {
        self.user.is_some()
    }

    /// True if the answer is made for the person.
    pub fn is_personal(&self) -> bool {
        self.personalize
    }

    fn query<'c>(&self, cart: &'c [ItemIx], exclude: &'c [ItemIx], on_page: bool) -> BundleQuery<'c> {
        BundleQuery {
            cart,
            sizes: self.min_items.get()..=self.max_items.get(),
            // At most 1,000,000 by its type.
            min_baskets: self.min_baskets.get() as u32,
            predict: self.mode == Mode::Relaxed,
            exclude,
            count: self.count.get() * if on_page { CHOICE } else { 1 },
        }
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

/// Complements and bundles with the call that asked for them.
#[derive(Serialize, ToSchema)]
pub struct BundleResponse<'a> {
    #[schema(value_type = String)]
    request_id: RequestId,
    model: ModelRef<'a>,
    /// Parts that did not answer; usually empty.
    #[schema(value_type = Vec<DegradedPart>)]
    degraded: &'a [&'a str],
    #[serde(flatten)]
    bundle: BundleAnswer<'a>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// Complements and bundles for a cart.
#[derive(Serialize, ToSchema)]
pub struct BundleAnswer<'a> {
    /// True if purchases of the person went into the complements.
    personalized: bool,
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
    request.check()?;
    // Before the model is taken: it is not held while anything waits.
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
    let (bundle, _) = request.answer(&call, view, context.as_ref(), None);
    let found = bundle.complements.len() + bundle.bundles.len();
    let response = BundleResponse {
        request_id: call.id,
        model: ModelRef::of(view.snapshot),
        degraded,
        bundle,
        took_us: call.took_us(),
    };
    json(&response, 512 + 400 * found)
}

impl BundleRequest<'_> {
    /// The answer to a checked request, for the person of `context`; and its items but those of the cart. On a page no
    /// item is repeated: what it shows `elsewhere` is left out, sets share no item but those of the cart, and
    /// complements are in no set.
    pub fn answer<'a>(
        &'a self,
        call: &Call,
        view: View<'a>,
        context: Option<&LiveContext>,
        elsewhere: Option<&[ItemIx]>,
    ) -> (BundleAnswer<'a>, Vec<ItemIx>) {
        let snapshot = view.snapshot;
        let mut unknown_item_ids = Vec::new();
        let cart = resolve(snapshot, self.cart.iter(), &mut unknown_item_ids);
        let scene = call.shop.scenes.get(SCENE);
        let apply = |context: &LiveContext| context.apply_to(snapshot, (SCENE, &scene), Query::default());
        let mut person = context.map(apply).unwrap_or_default();
        person.exclude.extend(elsewhere.into_iter().flatten());
        let mut bundles = bundle::bundles(view, &self.query(&cart, &person.exclude, elsewhere.is_some()));
        if elsewhere.is_some() {
            keep_apart(&mut bundles, self.count.get());
            person.exclude.extend(bundles.iter().flat_map(Bundle::added));
        }
        let complements = bundle::personal_complements(view, &cart, &person, self.count.get());
        let fields = self.fields.unwrap_or_default();
        let complement = |(n, c): (usize, &Complement)| complement_item((view, fields), n + 1, c);
        let set = |(n, b): (usize, &Bundle)| bundle_set((view, fields), call, n + 1, b);
        let answer = BundleAnswer {
            personalized: has_bought(snapshot, &person) && !cart.is_empty(),
            empty_reason: EmptyReason::of(&cart, complements.len() + bundles.len()),
            bundles_empty_reason: EmptyReason::of(&cart, bundles.len()),
            unknown_item_ids,
            complements: complements.iter().enumerate().map(complement).collect(),
            bundles: bundles.iter().enumerate().map(set).collect(),
        };
        let added = bundles.iter().flat_map(Bundle::added).copied();
        (answer, complements.iter().map(|complement| complement.item).chain(added).collect())
    }
}

/// Keeps the first `count` sets that share no item but those of the cart.
fn keep_apart(bundles: &mut Vec<Bundle>, count: usize) {
    let mut taken: Vec<ItemIx> = Vec::new();
    bundles.retain(|bundle| {
        let is_free = bundle.added().iter().all(|item| !taken.contains(item));
        if is_free {
            taken.extend(bundle.added());
        }
        is_free
    });
    bundles.truncate(count);
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
