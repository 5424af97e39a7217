//! A person's actions since training, as a profile shows them: items bought, touched, returned or disliked.

use qianmian_live::people::{Known, Name};
use qianmian_models::view::View;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::Moment;
use super::card::ItemCard;
use crate::app::Shop;
use crate::live::now_ms;

/// Most marks in one profile.
const MAX_MARKS: usize = 100;

/// An item that the person touched since training, as live state knows it.
#[derive(Serialize, ToSchema)]
pub struct LiveMark<'a> {
    #[serde(flatten)]
    card: ItemCard<'a>,
    mark: MarkName,
    /// How much the item interests them now, 0 to 1; it halves every six hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    interest: Option<f32>,
    /// When they bought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime)]
    at: Option<Moment>,
}

/// What live state says about an item and a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkName {
    /// They bought it.
    Bought,
    /// They looked at it, clicked it, put it into a cart or the like.
    Touched,
    /// They returned or disliked it, and showed no interest since.
    Unwanted,
}

/// The live state of this user id and its identities; `None` without live state, or if it does not answer.
pub async fn known(shop: &Shop, user_id: &str) -> Option<Known> {
    shop.live_store()?.user(&[Name::User(user_id)], now_ms()).await
}

/// The marks of `known`: bought items, latest first, then touched ones by interest, then unwanted ones. Items unknown
/// to the model are left out.
pub fn marks<'a>(view: View<'a>, known: &Known) -> Vec<LiveMark<'a>> {
    let context = known.state.context(now_ms());
    let interest =
        |id: &str| context.touched.iter().find(|(touched, _)| *touched == id).map(|(_, weight)| *weight);
    let is_bought = |id: &str| context.bought.iter().any(|(bought, _)| *bought == id);
    let mark = |id: &str, mark, at: Option<i64>| {
        let item = view.snapshot.items.ix(id)?;
        let at = at.map(|at| Moment(at.div_euclid(1_000)));
        Some(LiveMark { card: ItemCard::of(view, item), mark, interest: interest(id), at })
    };
    let bought = context.bought.iter().filter_map(|&(id, at)| mark(id, MarkName::Bought, Some(at)));
    let touched = context.touched.iter().filter(|(id, _)| !is_bought(id));
    let touched = touched.filter_map(|(id, _)| mark(id, MarkName::Touched, None));
    let unwanted = context.unwanted.iter().filter_map(|id| mark(id, MarkName::Unwanted, None));
    bought.chain(touched).chain(unwanted).take(MAX_MARKS).collect()
}
