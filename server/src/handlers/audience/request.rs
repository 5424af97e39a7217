//! The request of `/audience`.

use qianmian_models::audience::{AudienceQuery, Goods};
use qianmian_models::ids::ItemIx;
use qianmian_models::index::content::Description;
use qianmian_models::view::View;
use qianmian_money::{Currency, Money};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::fields::{Amount, Count, Id, Ids, optional_id, optional_object};
use crate::handlers::answer::resolve;
use crate::problem::{Code, Problem};

/// Which people for these items? Name `item_ids`, describe a new `item`, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AudienceRequest<'a> {
    /// The items.
    #[serde(borrow)]
    pub item_ids: Option<Ids<'a, 1, 100>>,
    /// An item that is not in the catalog yet.
    #[serde(default, borrow, deserialize_with = "optional_object")]
    item: Option<NewItem<'a>>,
    /// Length of the audience.
    #[serde(default = "usual_count")]
    #[schema(default = 100)]
    count: Count<100_000>,
    /// Leave out people who bought any of the items before.
    #[serde(default)]
    exclude_buyers: bool,
    /// Draw a control group by lot, so that the effect of a campaign can be measured.
    #[serde(default, borrow, deserialize_with = "optional_object")]
    pub holdout: Option<Holdout<'a>>,
}

/// An item by its attributes; at least one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewItem<'a> {
    /// As it will be shown.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    title: Option<Id<'a>>,
    /// A path, as in the catalog: `a/b/c`.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    category: Option<Id<'a>>,
    /// The brand, as in the catalog.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    brand: Option<Id<'a>>,
    /// The seller, as in the catalog.
    #[serde(borrow, default, deserialize_with = "optional_id")]
    merchant_id: Option<Id<'a>>,
    /// In the shop's currency, above 0, with at most its number of decimals.
    price: Option<Amount>,
}

/// A random part of the audience. The same person, share and seed give the same lot in every call.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holdout<'a> {
    /// Part of the audience that is held out, above 0 and at most 0.5.
    #[schema(exclusive_minimum = 0.0, maximum = 0.5)]
    pub share: f64,
    /// Seed of the lot: campaigns with different seeds have independent control groups.
    #[serde(borrow)]
    pub seed: Id<'a>,
}

fn usual_count() -> Count<100_000> {
    Count::of(100)
}

impl<'a> AudienceRequest<'a> {
    /// The query in the model's terms, and the items left out of it because they cannot be sold now; ids that the model
    /// does not know go into `unknown`.
    ///
    /// # Errors
    /// No items at all, or a number out of bounds.
    pub fn query<'r>(
        &'r self,
        view: View<'_>,
        unknown: &mut Vec<&'r str>,
    ) -> Result<(AudienceQuery, Vec<ItemIx>), Problem> {
        let currency = view.snapshot.catalog.currency();
        let price = self.check(currency)?.map(|price| currency.units(price));
        let ids = self.item_ids.iter().flat_map(Ids::iter);
        // In order, so that a person's purchases are looked up by bisection.
        let mut items = resolve(view.snapshot, ids, unknown);
        items.sort_unstable();
        let (items, off_sale) = items.into_iter().partition(|&item| view.on_sale(item));
        let described = self.item.as_ref().map(|item| Goods::described(view, &item.description(price)));
        let (count, exclude_buyers, since) = (self.count.get(), self.exclude_buyers, Vec::new());
        let query = AudienceQuery { items, described, since, exclude_buyers, count };
        Ok((query, off_sale))
    }

    /// Checks that the types of the fields do not make; returns the price of the described item.
    fn check(&self, currency: Currency) -> Result<Option<Money>, Problem> {
        let problem =
            |field: &str, cure: String| Problem::new(Code::InvalidField, cure).at_field(field.to_owned());
        let invalid = |field: &str, cure: &str| Err(problem(field, cure.to_owned()));
        match &self.item {
            None if self.item_ids.is_none() => {
                let cure = "name the goods in `item_ids`, or describe new ones in `item`";
                return Err(Problem::new(Code::MissingField, cure).at_field("item_ids"));
            }
            Some(item) if item.is_empty() => {
                return invalid("item", "give a title, category, brand, merchant_id or price");
            }
            _ => {}
        }
        let price = self.item.as_ref().and_then(|item| item.price);
        let price = price.map(|price| price.in_currency(currency)).transpose();
        let price = price.map_err(|reason| problem("item.price", reason))?;
        match &self.holdout {
            Some(holdout) if !(holdout.share > 0.0 && holdout.share <= 0.5) => {
                invalid("holdout.share", "a number above 0 and at most 0.5")
            }
            _ => Ok(price),
        }
    }
}

impl NewItem<'_> {
    fn is_empty(&self) -> bool {
        let texts = [&self.title, &self.category, &self.brand, &self.merchant_id];
        texts.iter().all(|text| text.is_none()) && self.price.is_none()
    }

    fn description(&self, price: Option<f64>) -> Description<'_> {
        fn text<'t>(text: &'t Option<Id<'_>>) -> &'t str {
            text.as_ref().map_or("", Id::as_str)
        }
        Description {
            title: text(&self.title),
            category: text(&self.category),
            brand: text(&self.brand),
            merchant_id: text(&self.merchant_id),
            price,
        }
    }
}
