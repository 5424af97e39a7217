//! `/bundle` (搭配购): what completes a cart, and sets that are bought together.

use axum::response::Response;
use qianmian_models::bundle;
use qianmian_models::ids::ItemIx;
use qianmian_models::index::co_purchase::Association;
use qianmian_models::snapshot::Snapshot;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{EmptyReason, ModelRef, finite, json, resolve, title};
use crate::extract::JsonBody;
use crate::fields::{Count, Ids};
use crate::guard::Call;
use crate::problem::Problem;
use crate::request_id::RequestId;

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
    /// Fewest baskets that must hold a bundle.
    #[serde(default = "usual_baskets")]
    #[schema(default = 2)]
    min_baskets: Count<1_000_000>,
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
    /// Why both lists are empty, where they are.
    empty_reason: Option<EmptyReason>,
    /// Ids of the request that the model does not know.
    unknown_item_ids: Vec<&'a str>,
    /// Items that complete the whole cart, best first.
    complements: Vec<ComplementItem<'a>>,
    /// Sets of a cart item and what goes with it, best first.
    bundles: Vec<BundleSet<'a>>,
    /// Microseconds from reading the request's headers to writing this.
    took_us: u64,
}

/// An item that completes the cart.
#[derive(Serialize, ToSchema)]
pub struct ComplementItem<'a> {
    #[serde(flatten)]
    item: BundledItem<'a>,
    /// Place, from 1.
    rank: usize,
    /// Comparable within one answer; higher is better.
    score: f32,
    /// The cart item that it goes with best; the figures are of this pair.
    with_item_id: &'a str,
    #[serde(flatten)]
    figures: Figures,
}

/// A set that real baskets hold.
#[derive(Serialize, ToSchema)]
pub struct BundleSet<'a> {
    /// Place, from 1.
    rank: usize,
    /// The items; the one of the cart is first.
    items: Vec<BundledItem<'a>>,
    #[serde(flatten)]
    figures: Figures,
    /// Sum of the prices in the shop's currency, where all are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    price: Option<f32>,
}

/// An item of a bundle.
#[derive(Serialize, ToSchema)]
pub struct BundledItem<'a> {
    item_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<&'a str>,
    /// In the shop's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    price: Option<f32>,
}

/// How strongly two items go together.
#[derive(Serialize, ToSchema)]
pub struct Figures {
    /// Baskets that hold both.
    baskets: u32,
    /// Share of all baskets that hold both; 0 to 1.
    support: f64,
    /// Share of the baskets with the first item that hold the second, too; 0 to 1.
    confidence: f64,
    /// Confidence over the second item's share of all baskets; 1 is chance.
    lift: f64,
}

impl Figures {
    fn of(baskets: u32, association: Association) -> Self {
        let Association { support, confidence, lift } = association;
        Self { baskets, support, confidence, lift }
    }
}

impl<'a> BundledItem<'a> {
    fn of(snapshot: &'a Snapshot, item: ItemIx) -> Self {
        Self {
            item_id: snapshot.items.id(item),
            title: title(snapshot, item),
            price: snapshot.catalog.price(item),
        }
    }
}

/// Finds what completes a cart, and sets that are bought together.
#[utoipa::path(post, path = "/bundle", operation_id = "bundle", tag = "goods -> goods", request_body = BundleRequest<'_>,
    responses((status = 200, description = "Complements and bundles.", body = BundleResponse<'_>)))]
pub async fn post(call: Call, body: JsonBody) -> Result<Response, Problem> {
    let request: BundleRequest<'_> = body.parse()?;
    let model = call.shop.model()?;
    let snapshot: &Snapshot = &model.snapshot;
    let mut unknown_item_ids = Vec::new();
    let cart = resolve(snapshot, request.cart.iter(), &mut unknown_item_ids);
    let complements = complements(snapshot, &cart, request.count.get());
    let bundles = bundles(snapshot, &cart, &request);
    let found = complements.len() + bundles.len();
    let response = BundleResponse {
        request_id: call.id,
        model: ModelRef::of(snapshot),
        empty_reason: EmptyReason::of(&cart, found),
        unknown_item_ids,
        complements,
        bundles,
        took_us: call.took_us(),
    };
    json(&response, 512 + 300 * found)
}

fn complements<'s>(snapshot: &'s Snapshot, cart: &[ItemIx], count: usize) -> Vec<ComplementItem<'s>> {
    bundle::complements(snapshot, cart, count)
        .into_iter()
        .enumerate()
        .map(|(n, complement)| ComplementItem {
            item: BundledItem::of(snapshot, complement.item),
            rank: n + 1,
            score: finite(complement.score),
            with_item_id: snapshot.items.id(complement.with),
            figures: Figures::of(complement.baskets, complement.association),
        })
        .collect()
}

fn bundles<'s>(snapshot: &'s Snapshot, cart: &[ItemIx], request: &BundleRequest<'_>) -> Vec<BundleSet<'s>> {
    // At most 1,000,000 by its type.
    let min_baskets = request.min_baskets.get() as u32;
    bundle::bundles(snapshot, cart, min_baskets, request.count.get())
        .into_iter()
        .enumerate()
        .map(|(n, bundle)| BundleSet {
            rank: n + 1,
            items: bundle.items.iter().map(|&item| BundledItem::of(snapshot, item)).collect(),
            figures: Figures::of(bundle.baskets, bundle.association),
            price: bundle.price,
        })
        .collect()
}
