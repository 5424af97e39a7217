//! What resembles goods that nobody bought yet, by what is written of both: all that is known of a launch.

use anyhow::Result;
use qianmian_models::ids::ItemIx;
use qianmian_models::index::catalog::Catalog;
use qianmian_models::index::content::{Content, Description};
use qianmian_models::index::item_lists::ItemLists;
use qianmian_models::index::popularity::Popularity;
use rayon::prelude::*;

/// How many items goods without sales are likened to.
const NEIGHBOURS: usize = 50;
/// Most entries of an item's list; an item that was sold may resemble any number of goods that were not.
const MAX_ENTRIES: usize = 100;

/// For goods without sales the items that they resemble, and for items with sales the goods without that
/// resemble them, most alike first, with the cosine (above 0, up to 1). `None` where all items were sold, or
/// where nothing is written of those that were not.
pub fn learn(
    content: &Content,
    catalog: &Catalog,
    popularity: &Popularity,
    n_items: usize,
) -> Result<Option<ItemLists>> {
    let is_unsold = |item: &ItemIx| popularity.baskets(*item) == 0;
    let unsold: Vec<ItemIx> = (0..n_items as ItemIx).filter(is_unsold).collect();
    let neighbours =
        |&item: &ItemIx| content.similar(&Description::of(catalog, item), NEIGHBOURS, |other| other != item);
    let found: Vec<Vec<(ItemIx, f32)>> = unsold.par_iter().map(neighbours).collect();
    if found.iter().all(Vec::is_empty) {
        return Ok(None);
    }
    let mut lists: Vec<Vec<(ItemIx, f32)>> = vec![Vec::new(); n_items];
    for (&item, neighbours) in unsold.iter().zip(&found) {
        for &(other, likeness) in neighbours {
            lists[item as usize].push((other, likeness));
            if !is_unsold(&other) {
                lists[other as usize].push((item, likeness));
            }
        }
    }
    for list in &mut lists {
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        list.truncate(MAX_ENTRIES);
    }
    Ok(Some(ItemLists::new("resembling", &lists)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use qianmian_models::index::catalog::{Attributes, Text};

    #[test]
    fn goods_without_sales_and_what_they_resemble_name_each_other() {
        let titled = |title: &str| {
            let mut item = Attributes::default();
            *item.text_mut(Text::Title) = title.to_owned();
            item
        };
        let titles = ["red mug", "red mug large", "green rake", "green rake large"];
        let catalog = Catalog::new(&titles.map(titled));
        let content = Content::new(&catalog, 4).unwrap();
        let sold = |baskets: [u32; 4]| {
            let popularity = Popularity::new(vec![0.0; 4], Default::default(), baskets.to_vec());
            learn(&content, &catalog, &popularity, 4).unwrap()
        };
        let lists = sold([3, 0, 2, 0]).unwrap();
        let of = |item| lists.of(item).map(|(other, _)| other).collect::<Vec<_>>();
        assert_eq!((of(0), of(2)), (vec![1], vec![3]));
        assert_eq!(of(1), [0, 3], "the mug that is sold, then the other large thing");
        assert!(lists.of(1).all(|(_, likeness)| likeness > 0.0 && likeness <= 1.0));
        assert!(sold([1; 4]).is_none());
    }
}
