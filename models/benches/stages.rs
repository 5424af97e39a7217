//! Every answer and its stages, on the model of a store: `/recommend`, `/similar`, `/bundle`, `/audience`.
//!
//!     QIANMIAN_BENCH_STORE=var/bench/S/store cargo bench -p qianmian-models --bench stages
//!
//! `make bench` leaves such a store. The questions are about users and items of all ranks of activity and sales, in
//! turn. Without the variable nothing is measured.
#![expect(clippy::unwrap_used, reason = "a store that cannot be opened has nothing to measure")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use divan::Bencher;
use qianmian_models::audience::{self, AudienceQuery};
use qianmian_models::bundle::{BundleQuery, bundles, complements};
use qianmian_models::ids::{ItemIx, UserIx};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::scores::Scores;
use qianmian_models::recommend::{self, filter, selection, sources};
use qianmian_models::rules::attribute::Attribute;
use qianmian_models::rules::expression::Expression;
use qianmian_models::rules::masks::Masks;
use qianmian_models::rules::rule::{Action, Rule, Share};
use qianmian_models::rules::validity::Validity;
use qianmian_models::scene::Scene;
use qianmian_models::similar::similar;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::storage::versions::ShopStore;
use qianmian_models::view::View;
use qianmian_models::warm::warm;

/// Questions that are asked in turn: enough that no answer stays in the caches of the processor.
const QUESTIONS: usize = 512;

fn main() {
    if shop().is_none() {
        eprintln!(
            "nothing is measured: set QIANMIAN_BENCH_STORE to a model store, such as var/bench/S/store"
        );
        return;
    }
    divan::main();
}

/// A model, and users and items to ask about.
struct Shop {
    snapshot: Snapshot,
    users: Vec<UserIx>,
    items: Vec<ItemIx>,
    next: AtomicUsize,
}

fn shop() -> Option<&'static Shop> {
    static SHOP: OnceLock<Option<Shop>> = OnceLock::new();
    SHOP.get_or_init(|| std::env::var_os("QIANMIAN_BENCH_STORE").map(|store| Shop::open(Path::new(&store))))
        .as_ref()
}

impl Shop {
    fn open(store: &Path) -> Self {
        // Benches run in the folder of the crate; the store is named from the folder of the workspace.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(store);
        let artifact = ShopStore::new(&root, "default").unwrap().artifact(None).unwrap();
        let snapshot = Snapshot::open(&artifact).unwrap();
        warm(&snapshot);
        let mut users: Vec<UserIx> = (0..snapshot.users.len() as UserIx).collect();
        users.sort_by_key(|&user| std::cmp::Reverse(snapshot.profiles.activity(user)));
        let users = spread(&users);
        let items = spread(snapshot.popularity.ranked());
        Self { snapshot, users, items, next: AtomicUsize::new(0) }
    }

    fn view(&self) -> View<'_> {
        View::as_trained(&self.snapshot)
    }

    fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn user(&self) -> UserIx {
        self.users[self.turn() % self.users.len()]
    }

    fn item(&self) -> ItemIx {
        self.items[self.turn() % self.items.len()]
    }

    fn items<const N: usize>(&self) -> [ItemIx; N] {
        let turn = self.turn();
        std::array::from_fn(|n| self.items[(turn + n * 7) % self.items.len()])
    }

    fn known(&self) -> Query {
        Query::for_user(self.user(), 20)
    }

    fn visitor(&self) -> Query {
        let recent = self.items::<3>().to_vec();
        Query { recent, count: 20, ..Query::default() }
    }
}

/// [`QUESTIONS`] of them at even distances, so that all ranks are included.
fn spread(ranked: &[u32]) -> Vec<u32> {
    let step = (ranked.len() / QUESTIONS).max(1);
    ranked.iter().copied().step_by(step).take(QUESTIONS).collect()
}

/// Measures `work` on inputs made by `question`; making them is not measured.
fn bench<Q, R>(
    bencher: Bencher<'_, '_>,
    question: impl Fn(&'static Shop) -> Q,
    work: impl Fn(&'static Shop, Q) -> R,
) {
    if let Some(shop) = shop() {
        bencher.with_inputs(|| question(shop)).bench_local_values(|question| work(shop, question));
    }
}

/// The whole slate of 20 items.
mod slate {
    use super::*;

    #[divan::bench]
    fn known_user(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::known, |shop, query| recommend::recommend(shop.view(), &query));
    }

    #[divan::bench]
    fn known_user_new_items(bencher: Bencher<'_, '_>) {
        let query = |shop: &'static Shop| Query { exclude_bought: true, ..shop.known() };
        bench(bencher, query, |shop, query| recommend::recommend(shop.view(), &query));
    }

    #[divan::bench]
    fn visitor(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::visitor, |shop, query| recommend::recommend(shop.view(), &query));
    }
}

/// The slate of a known user in a scene of so many rules, of all kinds in turn.
mod ruled_slate {
    use super::*;

    fn rule(n: usize) -> Rule {
        let items = |source: String| Arc::new(Expression::compile(&source).unwrap());
        let action = match n % 6 {
            0 => Action::Boost(items(format!("item.price < {}.0", 10 + n)), 1.5),
            1 => Action::Hide(items(format!("item.id == 'none {n}'"))),
            2 => Action::Bury(items(format!("item.stock < {}", n % 5))),
            3 => Action::Mix {
                items: items(format!("item.is_new || item.sales < {n}")),
                least: None,
                most: Some(Share::Percent(90)),
                first: None,
            },
            4 => Action::Spacing { by: Attribute::Category, most: 4, window: 6 },
            _ => Action::Boost(items(format!("user.known && item.sales_30d > {n}")), 0.9),
        };
        Rule { id: n.to_string().into(), when: None, validity: Validity::default(), action }
    }

    #[divan::bench(args = [0, 20, 200])]
    fn known_user(bencher: Bencher<'_, '_>, rules: usize) {
        let scene = Scene { rules: (0..rules).map(rule).collect(), ..Scene::DEFAULT };
        let masks = Masks::default();
        bench(bencher, Shop::known, |shop, query| {
            recommend::recommend(shop.view().in_scene(&scene).with_masks(&masks), &query)
        });
    }
}

/// So many slates of 20 items for one user.
mod shelves {
    use super::*;

    /// As a page has them: none repeats what those before it show.
    #[divan::bench(args = [1, 5])]
    fn of_a_page(bencher: Bencher<'_, '_>, shelves: usize) {
        bench(bencher, Shop::known, |shop, mut query| {
            for _ in 0..shelves {
                let slate = recommend::recommend(shop.view(), &query);
                query.exclude.extend(slate.items.iter().map(|slot| slot.item));
            }
            query
        });
    }

    /// As pages of one list: each goes on from those before it.
    #[divan::bench(args = [1, 5])]
    fn of_a_list(bencher: Bencher<'_, '_>, pages: usize) {
        bench(bencher, Shop::known, |shop, mut query| {
            for _ in 0..pages {
                let slate = recommend::recommend(shop.view(), &query);
                query.shown.extend(slate.items.iter().map(|slot| slot.item));
            }
            query
        });
    }
}

/// The stages of a slate for a known user, each with those before it.
mod slate_up_to {
    use super::*;

    /// Runs the stages up to the given one, on the scores of the thread.
    fn up_to(bencher: Bencher<'_, '_>, work: impl Fn(View<'_>, &Query, &mut Scores)) {
        bench(bencher, Shop::known, |shop, query| {
            Scores::with(shop.snapshot.items.len(), |scores| {
                sources::retrieve(shop.view(), &query, scores);
                work(shop.view(), &query, scores);
            });
        });
    }

    #[divan::bench]
    fn a_sources(bencher: Bencher<'_, '_>) {
        up_to(bencher, |_, _, _| ());
    }

    #[divan::bench]
    fn b_filter(bencher: Bencher<'_, '_>) {
        up_to(bencher, |view, query, scores| {
            filter::filter(view, query, scores);
        });
    }

    #[divan::bench]
    fn c_demotion(bencher: Bencher<'_, '_>) {
        up_to(bencher, |view, query, scores| {
            filter::filter(view, query, scores);
            selection::demote(view, query, scores);
        });
    }

    #[divan::bench]
    fn d_features(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::known, |shop, query| recommend::shortlist_features(shop.view(), &query));
    }

    #[divan::bench]
    fn e_trees_and_selection(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::known, |shop, query| recommend::recommend(shop.view(), &query));
    }
}

/// 20 items like one.
#[divan::bench]
fn similar_items(bencher: Bencher<'_, '_>) {
    bench(bencher, Shop::item, |shop, item| similar(shop.view(), &[item], 20));
}

/// The two lists of a cart of 2 items.
mod cart {
    use super::*;

    #[divan::bench]
    fn complement_items(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::items::<2>, |shop, cart| complements(shop.view(), &cart, 10));
    }

    #[divan::bench]
    fn sets(bencher: Bencher<'_, '_>) {
        bench(bencher, Shop::items::<2>, |shop, cart| {
            let query = BundleQuery {
                cart: &cart,
                sizes: 2..=5,
                min_baskets: 2,
                predict: false,
                exclude: &[],
                count: 10,
            };
            bundles(shop.view(), &query)
        });
    }
}

/// People for one item; the argument is their number.
mod audiences {
    use super::*;

    #[divan::bench]
    fn sources(bencher: Bencher<'_, '_>) {
        let query = |shop: &'static Shop| AudienceQuery::for_item(shop.item(), 100);
        bench(bencher, query, |shop, query| audience::evidence(shop.view(), &query));
    }

    #[divan::bench(args = [100, 10_000])]
    fn people(bencher: Bencher<'_, '_>, count: usize) {
        let query = |shop: &'static Shop| AudienceQuery::for_item(shop.item(), count);
        bench(bencher, query, |shop, query| audience::audience(shop.view(), &query));
    }
}
