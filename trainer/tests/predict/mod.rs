//! `predict`, with the real binary: the answers equal those of the serving code in every format; after an error
//! there is no output.

mod shop;

use qianmian_models::audience::{AudienceQuery, audience};
use qianmian_models::bundle::{complements, personal_complements};
use qianmian_models::consent::{ConsentPolicy, Consents, Purpose};
use qianmian_models::recommend::query::Query;
use qianmian_models::recommend::recommend;
use qianmian_models::similar::similar;
use qianmian_models::view::View;
use shop::{Row, Rows, Shop, failure, read, rows_of, shop, success, write};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

const WEEK: i64 = 7 * 86_400;

/// All users of the model several times and some unknown ones: more than one chunk.
fn users(shop: &Shop) -> Vec<String> {
    let ids = (0..shop.snapshot.users.len() as u32).map(|ix| shop.snapshot.users.id(ix).to_owned());
    let round: Vec<String> = ids.chain(["stranger".to_owned()]).collect();
    round.iter().cycle().take(4_500).cloned().collect()
}

fn items(shop: &Shop) -> Vec<String> {
    let ids = (0..shop.snapshot.items.len() as u32).map(|ix| shop.snapshot.items.id(ix).to_owned());
    ["no such item".to_owned()].into_iter().chain(ids).collect()
}

/// One key a row, as the input of a kind with one column.
fn table(column: &'static str, keys: &[String]) -> Rows {
    Rows { columns: vec![column], rows: keys.iter().map(|key| vec![Some(key.clone())]).collect() }
}

type Found = Vec<(u32, f32)>;

/// True if a user allows a purpose, by the users table.
fn allows(shop: &Shop, purpose: Purpose, user: u32) -> bool {
    shop.snapshot
        .user_attributes
        .consent(user, purpose.column())
        .unwrap_or(purpose == Purpose::Personalization)
}

fn slate(shop: &Shop, id: &str, count: usize, exclude_bought: bool) -> Found {
    let s = &shop.snapshot;
    let user = s.users.ix(id).filter(|&user| allows(shop, Purpose::Personalization, user));
    let query = Query { user, exclude_bought, count, ..Query::default() };
    recommend(View::as_trained(s), &query).items.iter().map(|r| (r.item, r.score)).collect()
}

fn prospects(shop: &Shop, id: &str, count: usize, exclude_buyers: bool, at: i64) -> Found {
    let Some(item) = shop.snapshot.items.ix(id) else { return Vec::new() };
    let consents = Consents::new(&shop.snapshot.user_attributes, ConsentPolicy::default());
    let view = View::as_trained(&shop.snapshot).with_consents(&consents).at(at);
    if !view.on_sale(item) {
        return Vec::new();
    }
    let query = AudienceQuery { exclude_buyers, ..AudienceQuery::for_item(item, count) };
    audience(view, &query).people.iter().map(|p| (p.user, p.score)).collect()
}

/// The output that an answer to every key must give.
fn expected(shop: &Shop, of_users: bool, keys: &[String], answer: impl Fn(&str) -> Found) -> Vec<Row> {
    let vocabulary = if of_users { &shop.snapshot.users } else { &shop.snapshot.items };
    let mut answers: HashMap<&str, Found> = HashMap::new();
    let mut rows = Vec::new();
    for key in keys {
        let found = answers.entry(key).or_insert_with(|| answer(key));
        for (&(ix, score), rank) in found.iter().zip(1..) {
            rows.push((key.clone(), rank, vocabulary.id(ix).to_owned(), score));
        }
    }
    rows
}

/// A figure of the summary.
fn counted(said: &str, name: &str) -> usize {
    said.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim().parse().unwrap()
}

#[test]
fn recommend_equals_the_slates_of_the_pipeline() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let keys = users(shop);
    let input = write(folder.path(), "users.csv", &table("user_id", &keys));
    let output = folder.path().join("slates.csv");
    let said = success(shop, "recommend", &input, &output, &["--count", "20"]);
    assert_eq!(rows_of(&output), expected(shop, false, &keys, |id| slate(shop, id, 20, false)));
    assert_eq!((counted(&said, "users read"), counted(&said, "rows written")), (4_500, 90_000), "{said}");
    let bought = folder.path().join("new.csv");
    success(shop, "recommend", &input, &bought, &["--count", "20", "--exclude-bought"]);
    assert_eq!(rows_of(&bought), expected(shop, false, &keys, |id| slate(shop, id, 20, true)));
    for (user, _, item, _) in rows_of(&bought) {
        let item = shop.snapshot.items.ix(&item).unwrap();
        let personal =
            shop.snapshot.users.ix(&user).filter(|&user| allows(shop, Purpose::Personalization, user));
        let mine = personal.map(|user| shop.snapshot.history.ixs(user));
        assert!(!mine.unwrap_or_default().contains(&item), "{user} bought {item}");
    }
}

#[test]
fn similar_equals_the_model_and_skips_unknown_items() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let keys = items(shop);
    let input = write(folder.path(), "items.jsonl", &table("item_id", &keys));
    let output = folder.path().join("similar.csv");
    let said = success(shop, "similar", &input, &output, &["--count", "7"]);
    let near = |id: &str| match shop.snapshot.items.ix(id) {
        Some(item) => {
            similar(View::as_trained(&shop.snapshot), &[item], 7).iter().map(|r| (r.item, r.score)).collect()
        }
        None => Vec::new(),
    };
    assert_eq!(rows_of(&output), expected(shop, false, &keys, near));
    assert_eq!(
        (counted(&said, "items read"), counted(&said, "unknown, without rows")),
        (keys.len(), 1),
        "{said}"
    );
    assert!(std::fs::read_to_string(&output).unwrap().starts_with("item_id,rank,similar_item_id,score\n"));
}

#[test]
fn bundle_completes_carts_from_their_known_items() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let mut carts = shop.carts.clone();
    carts.push(("odd".to_owned(), vec!["no such item".to_owned()]));
    let twice = [carts[0].1.clone(), carts[0].1.clone(), vec!["no such item".to_owned()]].concat();
    carts.push(("twice".to_owned(), twice));
    assert!(carts.len() > 5_000, "more than one chunk is needed: {}", carts.len());
    let rows = carts.iter().flat_map(|(cart, items)| {
        items.iter().map(|item| vec![Some(cart.clone()), Some(format!(" {item}\t")), None])
    });
    let input = Rows { columns: vec!["cart_id", "item_id", "user_id"], rows: rows.collect() };
    let input = write(folder.path(), "carts.csv.zst", &input);
    let output = folder.path().join("bundles.csv");
    let said = success(shop, "bundle", &input, &output, &["--count", "10"]);
    let complete = |cart: &str| {
        let items = &carts.iter().find(|(id, _)| id == cart).unwrap().1;
        let mut known: Vec<u32> = Vec::new();
        for item in items.iter().filter_map(|item| shop.snapshot.items.ix(item)) {
            if !known.contains(&item) {
                known.push(item);
            }
        }
        let found =
            if known.is_empty() { vec![] } else { complements(View::as_trained(&shop.snapshot), &known, 10) };
        found.iter().map(|c| (c.item, c.score)).collect()
    };
    let keys: Vec<String> = carts.iter().map(|(cart, _)| cart.clone()).collect();
    assert_eq!(rows_of(&output), expected(shop, false, &keys, complete));
    assert_eq!(counted(&said, "carts read"), carts.len(), "{said}");
    assert_eq!(counted(&said, "of unknown items"), 2, "{said}");
    assert_eq!(counted(&said, "without a known item or rows"), 1, "{said}");
}

#[test]
fn a_cart_of_a_known_user_is_answered_personally() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let s = &shop.snapshot;
    let carts = &shop.carts[..600];
    // The owner is in the cart's last row only; a third of the carts has none, and another third an unknown user.
    let owner = |n: usize| match n % 3 {
        0 => None,
        1 => Some("stranger".to_owned()),
        _ => Some(s.users.id((n % s.users.len()) as u32).to_owned()),
    };
    let rows = carts.iter().enumerate().flat_map(|(n, (cart, items))| {
        let user = move |place: usize| owner(n).filter(|_| place + 1 == items.len());
        let row =
            move |(place, item): (usize, &String)| vec![Some(cart.clone()), user(place), Some(item.clone())];
        items.iter().enumerate().map(row)
    });
    let input = Rows { columns: vec!["cart_id", "user_id", "item_id"], rows: rows.collect() };
    let input = write(folder.path(), "carts.jsonl", &input);
    let output = folder.path().join("bundles.csv");
    success(shop, "bundle", &input, &output, &["--count", "8"]);
    let complete = |cart: &str| {
        let n = carts.iter().position(|(id, _)| id == cart).unwrap();
        let mut known = s.item_ixs(carts[n].1.iter().map(String::as_str));
        let mut seen = BTreeSet::new();
        known.retain(|&item| seen.insert(item));
        let owner = owner(n).and_then(|id| s.users.ix(&id));
        let found = match owner.filter(|&user| allows(shop, Purpose::Personalization, user)) {
            Some(user) => personal_complements(View::as_trained(s), &known, &Query::for_user(user, 8), 8),
            None => complements(View::as_trained(s), &known, 8),
        };
        found.iter().map(|c| (c.item, c.score)).collect()
    };
    let keys: Vec<String> = carts.iter().map(|(cart, _)| cart.clone()).collect();
    let expected = expected(shop, false, &keys, complete);
    assert_eq!(rows_of(&output), expected);
    let items = |(cart, items): &(String, Vec<String>)| -> Vec<Vec<Option<String>>> {
        items.iter().map(|item| vec![Some(cart.clone()), Some(item.clone())]).collect()
    };
    let plain = Rows { columns: vec!["cart_id", "item_id"], rows: carts.iter().flat_map(items).collect() };
    let plain = write(folder.path(), "plain.jsonl", &plain);
    success(shop, "bundle", &plain, &output, &["--count", "8"]);
    assert!(rows_of(&output) != expected, "the owner matters");
}

#[test]
fn audience_equals_the_model_at_the_given_moment() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let keys: Vec<String> = items(shop).into_iter().take(40).collect();
    let input = write(folder.path(), "items.csv", &table("item_id", &keys));
    let output = folder.path().join("people.csv");
    let until = shop.snapshot.data_until;
    success(shop, "audience", &input, &output, &["--count", "50"]);
    assert_eq!(rows_of(&output), expected(shop, true, &keys, |id| prospects(shop, id, 50, false, until)));
    success(shop, "audience", &input, &output, &["--count", "50", "--exclude-bought"]);
    assert_eq!(rows_of(&output), expected(shop, true, &keys, |id| prospects(shop, id, 50, true, until)));
    let later = until + WEEK / 2;
    let at = chrono::DateTime::from_timestamp(later, 0).unwrap().to_rfc3339();
    success(shop, "audience", &input, &output, &["--count", "50", "--at", &at]);
    assert_eq!(rows_of(&output), expected(shop, true, &keys, |id| prospects(shop, id, 50, false, later)));
    let said = success(shop, "audience", &input, &output, &["--count", "50", "--at", "2100-01-01"]);
    assert!(said.contains("beyond what the model can know"), "{said}");
    assert_eq!(
        rows_of(&output),
        expected(shop, true, &keys, |id| prospects(shop, id, 50, false, until + WEEK))
    );
}

#[test]
fn nobody_is_reached_or_profiled_without_consent() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "items.csv", &table("item_id", &items(shop)));
    let output = folder.path().join("people.csv");
    let refusing =
        |purpose| (0..shop.snapshot.users.len() as u32).filter(move |&user| !allows(shop, purpose, user));
    assert!(refusing(Purpose::Contact).count() > 50 && refusing(Purpose::Personalization).count() > 10);
    let said = success(shop, "audience", &input, &output, &["--count", "1000"]);
    assert!(counted(&said, "left out: no_contact_consent") > 10_000, "{said}");
    let allowed = |id: &str| allows(shop, Purpose::Contact, shop.snapshot.users.ix(id).unwrap());
    assert!(rows_of(&output).iter().all(|(_, _, user, _)| allowed(user)));

    let ids: Vec<String> =
        refusing(Purpose::Personalization).map(|user| shop.snapshot.users.id(user).to_owned()).collect();
    let input = write(folder.path(), "users.csv", &table("user_id", &ids));
    let output = folder.path().join("slates.csv");
    let said = success(shop, "recommend", &input, &output, &["--count", "20"]);
    assert_eq!(counted(&said, "no_personalization_consent, same"), ids.len(), "{said}");
    assert_eq!(rows_of(&output), expected(shop, false, &ids, |_| slate(shop, "stranger", 20, false)));
}

#[test]
fn every_input_and_output_format_gives_the_same_rows() {
    let shop = shop();
    let odd = ["面 🍚", "a,b", "say \"hi\"", "two\nlines", "tab\there", "/x?y=z", "17"].map(str::to_owned);
    let users: Vec<String> = users(shop).into_iter().take(200).chain(odd).collect();
    let items: Vec<String> = items(shop).into_iter().take(200).collect();
    let carts: Vec<(&String, &String)> = shop.carts[..100]
        .iter()
        .flat_map(|(cart, items)| items.iter().map(move |item| (cart, item)))
        .collect();
    let carts = carts.into_iter().map(|(cart, item)| vec![Some(item.clone()), Some(cart.clone())]).collect();
    let inputs = [
        ("recommend", table("user_id", &users)),
        ("similar", table("item_id", &items)),
        ("audience", table("item_id", &items)),
        ("bundle", Rows { columns: vec!["item_id", "cart_id"], rows: carts }),
    ];
    for (kind, input) in inputs {
        let folder = tempfile::tempdir().unwrap();
        let mut first = None;
        for ending in ["csv", "tsv", "jsonl", "parquet", "csv.gz", "csv.zst", "jsonl.gz", "jsonl.zst"] {
            let input = write(folder.path(), &format!("in.{ending}"), &input);
            let output = folder.path().join(format!("out.{ending}"));
            success(shop, kind, &input, &output, &["--count", "5"]);
            let rows = rows_of(&output);
            assert!(rows.len() > 400, "{kind} {ending}: {}", rows.len());
            assert_eq!(*first.get_or_insert(rows.clone()), rows, "{kind} {ending}");
        }
    }
}

#[test]
fn keys_that_are_numbers_are_taken_as_they_are_written() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = folder.path().join("numbers.jsonl");
    std::fs::write(&input, "{\"user_id\": 17}\n\n{\"user_id\": \"017\", \"x\": [1]}\n{\"user_id\": 17.5}\n")
        .unwrap();
    let output = folder.path().join("out.parquet");
    success(shop, "recommend", &input, &output, &["--count", "1"]);
    let keys: Vec<String> = rows_of(&output).into_iter().map(|row| row.0).collect();
    assert_eq!(keys, ["17", "017", "17.5"]);
}

#[test]
fn unknown_users_get_best_sellers_and_repeated_keys_repeat() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let keys = ["nobody", "U00000000", "nobody"].map(str::to_owned);
    let input = write(folder.path(), "users.csv", &table("user_id", &keys));
    let output = folder.path().join("out.csv");
    let said = success(shop, "recommend", &input, &output, &["--count", "900"]);
    let rows = rows_of(&output);
    assert_eq!(rows, expected(shop, false, &keys, |id| slate(shop, id, 900, false)));
    let items: BTreeSet<&String> = rows.iter().filter(|r| r.0 == "nobody").map(|row| &row.2).collect();
    // Items that are off sale are left out, of every slate alike.
    assert!(items.len() > 700 && rows.len() == 3 * items.len(), "{said}");
    assert_eq!(counted(&said, "unknown, given best sellers"), 2, "{said}");
}

#[test]
fn the_output_does_not_depend_on_the_number_of_threads() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "users.csv", &table("user_id", &users(shop)));
    for ending in ["csv", "parquet", "jsonl.zst"] {
        let bytes = ["1", "2", "5"].map(|threads| {
            let output = folder.path().join(format!("{threads}.{ending}"));
            success(shop, "recommend", &input, &output, &["--count", "10", "--threads", threads]);
            std::fs::read(output).unwrap()
        });
        assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2], "{ending}");
    }
}

#[test]
fn a_count_has_bounds_that_the_error_names() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "in.csv", &Rows::of(&["item_id", "user_id"], &[&["P0000001", "u"]]));
    let output = folder.path().join("out.csv");
    for kind in ["recommend", "similar"] {
        success(shop, kind, &input, &output, &["--count", "1000"]);
        for bad in ["0", "1001"] {
            assert!(failure(shop, kind, &input, &output, &["--count", bad]).contains("give 1 to 1000"));
        }
    }
    success(shop, "audience", &input, &output, &["--count", "100000"]);
    assert!(failure(shop, "audience", &input, &output, &["--count", "100001"]).contains("give 1 to 100000"));
    assert!(failure(shop, "recommend", &input, &output, &["--count", "-1"]).contains("--count"));
    let error = failure(shop, "similar", &input, &output, &["--count", "5", "--exclude-bought"]);
    assert!(error.contains("unexpected argument '--exclude-bought'"), "{error}");
}

/// Runs on a file of these bytes and checks that an earlier output is unchanged and no other file is left.
fn error_of(kind: &str, name: &str, bytes: &[u8]) -> String {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let (input, output) = (folder.path().join(name), folder.path().join("out.csv"));
    std::fs::write(&input, bytes).unwrap();
    std::fs::write(&output, "earlier").unwrap();
    let error = failure(shop, kind, &input, &output, &["--count", "5"]);
    assert_eq!(read(&output), b"earlier");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "something is left over");
    error
}

fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn a_missing_column_is_named() {
    let error = error_of("recommend", "in.csv", b"height,x\n1,1\n");
    assert_says(&error, &["no column `user_id`"]);
}

#[test]
fn an_empty_damaged_or_foreign_file_is_an_error_that_names_it() {
    assert_says(&error_of("recommend", "in.csv", b""), &["in.csv is empty"]);
    assert_says(&error_of("recommend", "in.csv", b"user_id\n"), &["in.csv", "no rows"]);
    assert_says(&error_of("recommend", "in.parquet", b"PAR1"), &["in.parquet", "damaged"]);
    let text =
        (0..50_000).fold("user_id\n".to_owned(), |text, n| text + &format!("user {}\n", n * 7_919 % 50_021));
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let error = error_of("recommend", "in.csv.zst", &packed[..packed.len() / 2]);
    assert_says(&error, &["in.csv.zst", "cut off or damaged (zstd)"]);
}

#[test]
fn a_bad_row_is_an_error_with_its_file_line_and_reason() {
    assert_says(&error_of("recommend", "in.csv", b"user_id,x\nu1,1\n ,1\n"), &["in.csv:3", "no id"]);
    assert_says(&error_of("recommend", "in.csv", b"user_id\nu1\na,b\n"), &["in.csv:3", "wrong column count"]);
    assert_says(&error_of("bundle", "in.csv", b"cart_id,item_id\nc,\n"), &["in.csv:2", "no item"]);
    let long = format!("user_id\n{}\n", "x".repeat(257));
    assert_says(&error_of("recommend", "in.csv", long.as_bytes()), &["in.csv:2", "id too long"]);
    assert_says(
        &error_of("recommend", "in.jsonl", b"{\"user_id\": 1}\n{\n"),
        &["in.jsonl:2", "malformed json"],
    );
    // The bad row is far beyond the first chunk, after other rows were written.
    let late = "user_id,x\n".to_owned() + &"u,1\n".repeat(10_000) + " ,1\n";
    assert_says(&error_of("recommend", "in.csv", late.as_bytes()), &["in.csv:10002", "no id"]);
}

#[test]
fn a_cart_that_is_not_adjacent_is_an_error() {
    let rows = b"cart_id,item_id\na,i1\na,i2\nb,i1\na,i3\n";
    assert_says(
        &error_of("bundle", "in.csv", rows),
        &["in.csv:5", "cart `a` continues after another cart", "sort the input"],
    );
}

#[test]
fn an_output_that_cannot_be_is_refused() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "in.csv", &Rows::of(&["user_id"], &[&["u"]]));
    let refused = |output: &Path, words: &[&str]| {
        assert_says(&failure(shop, "recommend", &input, output, &["--count", "5"]), words);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    };
    refused(&input, &["this is the input"]);
    refused(&folder.path().join("out.txt"), &["out.txt", ".parquet"]);
    refused(&folder.path().join("out.parquet.gz"), &[".parquet"]);
    let neutralized = &["--count", "5", "--neutralize-formulas"];
    let error = failure(shop, "recommend", &input, &folder.path().join("out.parquet"), neutralized);
    assert_says(&error, &["--neutralize-formulas", ".csv and .tsv"]);
    refused(&folder.path().join("no folder").join("out.csv"), &["cannot create"]);
    let output = folder.path().join("out.csv");
    for (arguments, words) in [
        (["--version", "v0"], ["v0", "there are: "]),
        (["--shop", "other"], ["there is no", "other"]),
        (["--at", "soon"], ["--at", "2011-10-01"]),
    ] {
        let error =
            failure(shop, "recommend", &input, &output, &[&["--count", "5"], &arguments[..]].concat());
        assert_says(&error, &words);
    }
}

#[test]
#[cfg(unix)]
fn a_full_disk_leaves_no_half_output() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "in.csv", &table("user_id", &users(shop)));
    for ending in ["csv", "jsonl.zst", "parquet"] {
        let output = folder.path().join(format!("out.{ending}"));
        // A limit on the file size simulates a full disk; the signal must not end the process.
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]).args(shop.arguments(
            "recommend",
            &input,
            &output,
            &["--count", "100"],
        ));
        let limited = crate::support::finished(&mut command);
        let error = String::from_utf8(limited.stderr).unwrap();
        assert_eq!(limited.status.code(), Some(1), "{error}");
        assert_says(&error, &["cannot write", ending, "File too large"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{ending}");
    }
}

#[test]
fn formulas_are_neutralized_on_demand_only() {
    let (shop, folder) = (shop(), tempfile::tempdir().unwrap());
    let input = write(folder.path(), "in.csv", &Rows::of(&["user_id"], &[&["=1+1"]]));
    let output = folder.path().join("out.csv");
    success(shop, "recommend", &input, &output, &["--count", "3"]);
    assert!(rows_of(&output).iter().all(|row| row.0 == "=1+1"));
    success(shop, "recommend", &input, &output, &["--count", "3", "--neutralize-formulas"]);
    assert!(rows_of(&output).iter().all(|row| row.0 == "'=1+1"));
}
