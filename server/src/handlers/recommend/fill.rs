//! Filling up a slate that is shorter than asked, from the scenes that its scene names.

use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::recommend::slate::{Recommended, Slate};
use qianmian_models::source::Evidence;
use qianmian_models::view::View;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shop;
use crate::scenes::ActiveScene;

/// Items that another scene gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FilledBy {
    /// The scene.
    scene: String,
    /// How many.
    items: usize,
}

/// The items of a slate and of the scenes that filled it up, each with the weights that ordered it, and those scenes. What
/// the request itself asks for holds in every scene.
pub fn filled(
    shop: &Shop,
    view: View<'_>,
    scene: &ActiveScene,
    query: &Query,
    slate: &Slate,
) -> (Vec<(Recommended, Evidence)>, Vec<FilledBy>) {
    let mut items: Vec<(Recommended, Evidence)> =
        slate.items.iter().map(|item| (*item, slate.weights)).collect();
    let mut filled_by = Vec::new();
    for name in &scene.fallback {
        let missing = query.count.saturating_sub(items.len());
        if missing == 0 {
            break;
        }
        let other = shop.scenes.get(name);
        let mut query = Query { count: missing, ..query.clone() };
        query.exclude.extend(items.iter().map(|(item, _)| item.item));
        let more = recommend(view.in_scene(&other.scene), &query);
        if !more.items.is_empty() {
            filled_by.push(FilledBy { scene: name.clone(), items: more.items.len() });
        }
        items.extend(more.items.iter().map(|item| (*item, more.weights)));
    }
    (items, filled_by)
}
