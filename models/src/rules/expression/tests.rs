use super::*;

fn refused(source: &str) -> String {
    Expression::compile(source).map(|_| ()).map_err(|error| error.to_string()).expect_err(source)
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    assert_eq!(refused("item.pirce < 9"), "`item.pirce` is not known; did you mean `item.price`?");
    assert_eq!(refused("user.cty == 'x'"), "`user.cty` is not known; did you mean `user.city`?");
    assert_eq!(refused("context.hours > 3"), "`context.hours` is not known; did you mean `context.hour`?");
    assert_eq!(refused("itm.price < 9"), "`itm` is not known; did you mean `item`?");
}

#[test]
fn types_are_checked_when_compiled() {
    for (source, part) in [
        ("item.price", "an expression takes a truth value, not a number"),
        ("item.price == 'x'", "`==` takes a number, not a text"),
        ("item.tags == 'x'", "use `in` or `exists`"),
        ("item.title + 1 > 2", "`+` takes a number, not a text"),
        ("item.tags.contains('x')", "use `in` for lists"),
        ("item.price && true", "`&&` takes a truth value"),
        ("'x' in item.price", "`in` takes a list"),
        ("9 in item.tags", "`in` a list of texts takes a text"),
        ("item.tags.exists(t, t > 3)", "`>` takes a text, not a number"),
        ("size(item.price) > 1", "`size` takes a text or a list"),
        ("!item.title", "`!` takes a truth value"),
    ] {
        let message = refused(source);
        assert!(message.contains(part), "{source}: {message}");
    }
}

#[test]
fn parts_that_are_not_supported_are_named() {
    for (source, part) in [
        ("item.tags.map(t, t) == 1", "comprehension"),
        ("item.tags.exists(t, item.store_ids.exists(s, s == t))", "inside another"),
        ("{'a': 1}.a == 1", "a map"),
        ("item == 3", "`item` without a field"),
        ("item.title.matches('a+')", "matches"),
        ("timestamp('2024-01-01T00:00:00Z') > 1", "timestamp"),
        ("item.price == null", "null"),
        ("[item.price, 1.0] == 1", "a list"),
    ] {
        let message = refused(source);
        assert!(message.contains(part) && message.contains("not supported"), "{source}: {message}");
    }
}

#[test]
fn bombs_of_every_kind_are_refused() {
    let many = |part: &str, n: usize| part.repeat(n);
    let bombs = [
        format!("true{}", many(" || true", 1_500)),
        format!("1{} > 1", many("+1", 1_000)),
        format!("1{} > 1", many(" + 1", 400)),
        format!("{}true{}", many("(", 700), many(")", 700)),
        format!("{}true{}", many("[", 900), many("]", 900)),
        format!("{}true", many("!", 2_000)),
        format!("{}true", many("! ", 1_000)),
        format!("{}1 > 0", many("- ", 1_000)),
        format!("true{}", many(" ? true : true", 140)),
        format!("true ? {}true{}", many("(true ? ", 100), many(" : true)", 100)),
        format!("item{} == 1", many(".id", 600)),
        format!("1 in [{}1]", many("1,", 900)),
        format!("item.title == '{}'", many("x", 3_000)),
        format!("{}true{}", many("item.tags.exists(t, ", 90), many(")", 90)),
        many("((((!", 300),
        many("{", 2_000),
        many("'", 2_047),
        many("a(", 500),
    ];
    for bomb in bombs {
        assert!(Expression::compile(&bomb).is_err(), "{}", &bomb[..40]);
    }
    let chain = format!("item.price > 1{}", many(" && item.price > 1", 60));
    assert!(Expression::compile(&chain).is_ok(), "a long flat chain is no bomb");
    let list: Vec<String> = (0..256).map(|n| format!("'{n}'")).collect();
    assert!(Expression::compile(&format!("item.id in [{}]", list.join(","))).is_ok());
}

#[test]
fn syntax_errors_say_where() {
    let message = refused("item.price <");
    assert!(message.contains("line 1"), "{message}");
    assert!(refused("").contains("line 1"));
}

#[test]
fn parts_of_the_request_are_evaluated_once() {
    let hoisted = |source: &str| Expression::compile(source).expect(source).hoisted.len();
    assert_eq!(hoisted("item.price < params.most"), 1);
    assert_eq!(hoisted("item.price < params.most * 2 && item.stock > params.most * 2"), 1);
    assert_eq!(hoisted("user.city == '上海' && context.hour > 8 && item.price < 3"), 2);
    assert_eq!(hoisted("item.price < 1 + 2"), 0);
    let params = Expression::compile("item.price < params.most && has(params.other)").expect("compiles");
    assert_eq!(params.params(), ["most"]);
}
