//! Answers stay as they are: several hundred random questions to random shops, against answers on record.
//!
//! `QIANMIAN_RECORD=1 cargo test -p qianmian-models recorded` writes the record anew; only a change that is meant to
//! change answers may do so, and must say why.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::support;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::random::{Dice, SMALL, shop};
use qianmian_models::audience::{AudienceQuery, Since, audience};
use qianmian_models::bundle::{BundleQuery, bundles, complements, personal_complements};
use qianmian_models::index::localities::Kind;
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::similar::similar;
use qianmian_models::snapshot::Snapshot;
use qianmian_models::view::View;

const ITEMS: u32 = SMALL.items;
const USERS: u32 = SMALL.users;

/// Scores may differ by this much, relative to the larger one if that is above 1.
const TOLERANCE: f32 = 1e-5;

/// An entry of an answer: an id and its score.
type Entry = (String, f32);

fn query(d: &mut Dice, snapshot: &Snapshot) -> (Query, i64) {
    let at = support::UNTIL + i64::from(d.below(5 * 86_400));
    let user = d.happens(0.75).then(|| d.below(USERS));
    let locality = match d.below(4) {
        0 => snapshot.localities.as_ref().and_then(|localities| localities.ix(Kind::City, "上海")),
        1 => snapshot.localities.as_ref().and_then(|localities| localities.ix(Kind::Store, "s2")),
        _ => None,
    };
    let mut some =
        |most: u32, share: f32| if d.happens(share) { d.distinct(most, ITEMS) } else { Vec::new() };
    let (recent, exclude, overexposed) = (some(4, 0.4), some(9, 0.4), some(25, 0.3));
    let (touched, bought, trending) = (some(6, 0.3), some(5, 0.3), some(5, 0.3));
    let mut touched: Vec<(u32, f32)> = touched.into_iter().map(|item| (item, d.unit())).collect();
    touched.sort_by(|a, b| b.1.total_cmp(&a.1));
    let bought = bought.into_iter().map(|item| (item, at - i64::from(d.below(86_400)))).collect();
    let trending = trending.into_iter().map(|item| (item, d.unit())).collect();
    let (exclude_bought, count) = (d.happens(0.3), [5, 10, 20, 40][d.below(4) as usize]);
    let query = Query {
        user,
        recent,
        touched,
        bought,
        overexposed,
        trending,
        exclude,
        exclude_bought,
        count,
        locality,
        ..Query::default()
    };
    (query, at)
}

fn slate(d: &mut Dice, snapshot: &Snapshot) -> Vec<Entry> {
    let (query, at) = query(d, snapshot);
    let slate = recommend(View::as_trained(snapshot).at(at), &query);
    let entry = |r: &qianmian_models::recommend::slate::Recommended| {
        (format!("{}/{}/{}", r.item, r.source.name(), name(r.seed)), r.score)
    };
    slate.items.iter().map(entry).collect()
}

fn neighbors(d: &mut Dice, snapshot: &Snapshot) -> Vec<Entry> {
    let mut items = d.distinct(3, ITEMS);
    items.push(d.below(ITEMS));
    items.sort_unstable();
    items.dedup();
    let found = similar(View::as_trained(snapshot), &items, 12);
    found.iter().map(|r| (format!("{}/{}/{}", r.item, r.source.name(), name(r.because)), r.score)).collect()
}

fn sets(d: &mut Dice, snapshot: &Snapshot) -> Vec<Entry> {
    let mut cart = d.distinct(3, ITEMS);
    cart.push(d.below(ITEMS));
    cart.dedup();
    let view = View::as_trained(snapshot);
    let (person, _) = query(d, snapshot);
    let found = match d.happens(0.5) {
        true => personal_complements(view, &cart, &person, 9),
        false => complements(view, &cart, 9),
    };
    let mut entries: Vec<Entry> =
        found.iter().map(|c| (format!("{}/{}/{}", c.item, c.with, c.baskets), c.score)).collect();
    let (min_baskets, predict) = (1 + d.below(3), d.happens(0.6));
    let exclude = &person.exclude;
    let query = BundleQuery { cart: &cart, sizes: 2..=4, min_baskets, predict, exclude, count: 8 };
    let named = |items: &[u32]| items.iter().map(u32::to_string).collect::<Vec<_>>().join("+");
    let found = bundles(view, &query);
    entries.extend(found.iter().map(|b| {
        (format!("{}/{}/{:?}", named(&b.items), b.baskets, b.offer.stock), b.association.lift as f32)
    }));
    entries
}

fn people(d: &mut Dice, snapshot: &Snapshot) -> Vec<Entry> {
    let mut items = d.distinct(2, ITEMS);
    items.push(d.below(ITEMS));
    items.sort_unstable();
    items.dedup();
    let (at, exclude_buyers, count) = (support::UNTIL, d.happens(0.3), 25);
    let mut since: Vec<Since> = Vec::new();
    for user in d.distinct(6, USERS) {
        let bought_at = d.happens(0.7).then(|| at + i64::from(d.below(9_999)));
        since.push(Since { item: items[0], user, bought_at });
    }
    since.sort_by_key(|s| s.user);
    let query = AudienceQuery { items, described: None, since, exclude_buyers, count };
    let entry = |p: &qianmian_models::audience::Prospect| {
        (format!("{}/{}/{}", p.user, p.source.name(), name(p.seed)), p.score)
    };
    audience(View::as_trained(snapshot), &query).people.iter().map(entry).collect()
}

fn name(item: Option<u32>) -> String {
    item.map_or_else(|| "-".to_owned(), |item| item.to_string())
}

type Ask = fn(&mut Dice, &Snapshot) -> Vec<Entry>;

fn answers() -> Vec<(String, Vec<Entry>)> {
    let kinds: [(&str, usize, Ask); 4] = [
        ("recommend", 90, slate),
        ("similar", 20, neighbors),
        ("bundle", 30, sets),
        ("audience", 20, people),
    ];
    let mut all = Vec::new();
    for (seed, repeats) in [(1, true), (2, false)] {
        let snapshot = shop(SMALL, seed, repeats);
        for (kind, questions, ask) in kinds {
            let mut dice = Dice(seed ^ 0xA5A5_0000 ^ (kind.len() as u64) << 40);
            for n in 0..questions {
                all.push((format!("{seed} {kind} {n}"), ask(&mut dice, &snapshot)));
            }
        }
    }
    all
}

#[test]
fn answers_are_those_on_record() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/answers.txt");
    let answers = answers();
    if std::env::var_os("QIANMIAN_RECORD").is_some() {
        let mut text = String::new();
        for (question, entries) in &answers {
            write!(text, "{question}:").unwrap();
            entries.iter().for_each(|(entry, score)| write!(text, " {entry}={score:.6}").unwrap());
            text.push('\n');
        }
        std::fs::write(&path, text).unwrap();
    }
    let record = std::fs::read_to_string(&path).unwrap();
    assert_eq!(record.lines().count(), answers.len());
    for (line, (question, entries)) in record.lines().zip(&answers) {
        let (recorded_question, recorded) = line.split_once(':').unwrap();
        assert_eq!(recorded_question, question);
        let recorded: Vec<(&str, f32)> = recorded
            .split_ascii_whitespace()
            .map(|entry| entry.rsplit_once('=').map(|(name, score)| (name, score.parse().unwrap())).unwrap())
            .collect();
        let (names, want): (Vec<&str>, Vec<f32>) = recorded.into_iter().unzip();
        let (found, got): (Vec<&str>, Vec<f32>) =
            entries.iter().map(|(name, score)| (name.as_str(), *score)).unzip();
        assert_eq!(found, names, "{question}");
        for ((got, want), name) in got.iter().zip(want).zip(found) {
            let slack = TOLERANCE * got.abs().max(want.abs()).max(1.0);
            assert!((got - want).abs() <= slack, "{question}, {name}: {got}, on record {want}");
        }
    }
    let entries: usize = answers.iter().map(|(_, entries)| entries.len()).sum();
    assert!(entries > 4_000, "only {entries} entries were compared");
}
