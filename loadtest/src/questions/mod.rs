//! The requests: the scenarios, and the seeded stream of calls that a scenario draws.

mod call;
pub mod ids;

use std::sync::Arc;

use anyhow::ensure;
use clap::ValueEnum;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use call::percent_encode;
pub use call::{Call, CallKind, Headers};
use ids::Ids;

/// Items that an anonymous visitor has looked at.
const VISITOR_ITEMS: usize = 3;
/// Items in the cart of `/bundle`.
const CART_ITEMS: usize = 2;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// `POST /recommend` for a known user, 20 items.
    Recommend,
    /// `GET /recommend` for a known user, 20 items.
    RecommendGet,
    /// `POST /recommend` for an anonymous visitor who looked at 3 items.
    Visitor,
    /// `POST /similar` for one item, 20 items.
    Similar,
    /// `POST /bundle` for a cart of 2 items.
    Bundle,
    /// `POST /audience` for one item, 100 people.
    Audience,
    /// The same as lines (NDJSON), 100,000 people.
    AudienceLines,
    /// A storefront's blend: 30 % recommend, 15 % recommend-get, 15 % visitor, 20 % similar, 15 % bundle, 5 % audience.
    Mix,
    /// `GET /healthz`.
    Health,
    /// The request that `qianmian-loadtest floor` answers.
    Floor,
}

impl Scenario {
    fn needs_users(self) -> bool {
        matches!(self, Self::Recommend | Self::RecommendGet | Self::Mix)
    }

    fn needs_items(self) -> bool {
        !matches!(self, Self::Recommend | Self::RecommendGet | Self::Health | Self::Floor)
    }

    /// Turns [`Scenario::Mix`] into one of its parts by a draw in `0..100`; returns any other unchanged.
    fn pick(self, percent: u32) -> Self {
        match (self, percent) {
            (Self::Mix, 0..30) => Self::Recommend,
            (Self::Mix, 30..45) => Self::RecommendGet,
            (Self::Mix, 45..60) => Self::Visitor,
            (Self::Mix, 60..80) => Self::Similar,
            (Self::Mix, 80..95) => Self::Bundle,
            (Self::Mix, _) => Self::Audience,
            (other, _) => other,
        }
    }
}

/// The parameters of calls.
#[derive(Clone)]
pub struct Questions {
    pub scenario: Scenario,
    pub headers: Headers,
    pub users: Option<Arc<Ids>>,
    pub items: Option<Arc<Ids>>,
    /// The scene sent with `/recommend`.
    pub scene: String,
    /// Number of results to ask for; `None` takes each call's usual number.
    pub count: Option<u32>,
}

impl Questions {
    /// Checks that the ids which the scenario needs are there.
    ///
    /// # Errors
    /// The message names the flags that give the ids.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.scenario.needs_users() || self.users.is_some(),
            "this scenario asks about users: give --users FILE or --user-id ID"
        );
        ensure!(
            !self.scenario.needs_items() || self.items.is_some(),
            "this scenario asks about items: give --items FILE or --item-id ID"
        );
        Ok(())
    }
}

/// A seeded, endless stream of calls.
pub struct Calls {
    questions: Questions,
    rng: ChaCha8Rng,
}

impl Calls {
    /// Equal arguments give equal calls.
    pub fn new(questions: Questions, seed: u64) -> Self {
        Self { questions, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Draws the next call.
    pub fn draw(&mut self) -> Call {
        let percent = self.rng.random_range(0..100);
        match self.questions.scenario.pick(percent) {
            Scenario::Recommend => self.recommend(),
            Scenario::RecommendGet => self.recommend_get(),
            Scenario::Visitor => self.visitor(),
            Scenario::Similar => self.about_item(CallKind::Similar, "/similar", 20),
            Scenario::Bundle => self.bundle(),
            Scenario::Audience | Scenario::Mix => self.about_item(CallKind::Audience, "/audience", 100),
            Scenario::AudienceLines => self.about_item(CallKind::AudienceLines, "/audience", 100_000),
            Scenario::Health => {
                Call { kind: CallKind::Health, count: 0, request: self.questions.headers.get("/healthz") }
            }
            Scenario::Floor => {
                let request = self.questions.headers.post("/", None, crate::commands::floor::REQUEST_BODY);
                Call { kind: CallKind::Floor, count: 20, request }
            }
        }
    }

    fn recommend(&mut self) -> Call {
        let (scene, count) = (self.questions.scene.clone(), self.count(20));
        let body = json!({ "user": { "id": self.user() }, "scene": scene, "count": count });
        self.post(CallKind::Recommend, "/recommend", count, &body)
    }

    fn recommend_get(&mut self) -> Call {
        let (scene, count) = (percent_encode(&self.questions.scene), self.count(20));
        let user = percent_encode(self.user());
        let request =
            self.questions.headers.get(&format!("/recommend?user_id={user}&scene={scene}&count={count}"));
        Call { kind: CallKind::Recommend, count: count as usize, request }
    }

    fn visitor(&mut self) -> Call {
        let (scene, count) = (self.questions.scene.clone(), self.count(20));
        let body =
            json!({ "context": { "item_ids": self.items(VISITOR_ITEMS) }, "scene": scene, "count": count });
        self.post(CallKind::Visitor, "/recommend", count, &body)
    }

    fn bundle(&mut self) -> Call {
        let count = self.count(10);
        let body = json!({ "cart": self.items(CART_ITEMS), "count": count });
        self.post(CallKind::Bundle, "/bundle", count, &body)
    }

    fn about_item(&mut self, kind: CallKind, path: &str, usual_count: u32) -> Call {
        let count = self.count(usual_count);
        let body = json!({ "item_ids": self.items(1), "count": count });
        self.post(kind, path, count, &body)
    }

    fn post(&self, kind: CallKind, path: &str, count: u32, body: &Value) -> Call {
        let accept = (kind == CallKind::AudienceLines).then_some("application/x-ndjson");
        let request = self.questions.headers.post(path, accept, &body.to_string());
        Call { kind, count: count as usize, request }
    }

    fn count(&self, usual: u32) -> u32 {
        self.questions.count.unwrap_or(usual)
    }

    /// [`Questions::check`] made sure that there are ids for every draw.
    fn user(&mut self) -> &str {
        self.questions.users.as_ref().map_or("", |users| users.draw(&mut self.rng))
    }

    fn items(&mut self, n: usize) -> Vec<&str> {
        self.questions.items.as_ref().map(|items| items.draw_distinct(n, &mut self.rng)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;
    use crate::target::Target;

    fn questions(scenario: Scenario, ids: &[&str]) -> Questions {
        let headers = Headers::new(&Target::resolve("http://127.0.0.1:1", false).unwrap(), None);
        let ids = |prefix: &str| {
            Ids::new(ids.iter().map(|id| format!("{prefix}{id}")).collect(), 1.0).map(Arc::new)
        };
        Questions { scenario, headers, users: ids("u"), items: ids("i"), scene: "home".into(), count: None }
    }

    fn text(call: &Call) -> (String, String) {
        let text = String::from_utf8(call.request.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[test]
    fn each_scenario_sends_the_documented_shape() {
        for (scenario, line, body) in [
            (Scenario::RecommendGet, "GET /recommend?user_id=u1&scene=home&count=20", None),
            (
                Scenario::Recommend,
                "POST /recommend",
                Some(json!({ "user": { "id": "u1" }, "scene": "home", "count": 20 })),
            ),
            (
                Scenario::Visitor,
                "POST /recommend",
                Some(json!({ "context": { "item_ids": ["i1"] }, "scene": "home", "count": 20 })),
            ),
            (Scenario::Similar, "POST /similar", Some(json!({ "item_ids": ["i1"], "count": 20 }))),
            (Scenario::Bundle, "POST /bundle", Some(json!({ "cart": ["i1"], "count": 10 }))),
            (Scenario::Audience, "POST /audience", Some(json!({ "item_ids": ["i1"], "count": 100 }))),
            (
                Scenario::AudienceLines,
                "POST /audience",
                Some(json!({ "item_ids": ["i1"], "count": 100_000 })),
            ),
            (Scenario::Health, "GET /healthz", None),
        ] {
            let call = Calls::new(questions(scenario, &["1"]), 0).draw();
            let (head, sent) = text(&call);
            assert_eq!(head, format!("{line} HTTP/1.1"));
            assert_eq!(sent, body.map_or(String::new(), |body| body.to_string()));
        }
    }

    #[test]
    fn equal_seeds_give_equal_calls() {
        let draw = |seed| {
            let mut calls = Calls::new(questions(Scenario::Mix, &["1", "2", "3", "4"]), seed);
            (0..50).map(|_| calls.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_mix_holds_its_shares() {
        let mut calls = Calls::new(questions(Scenario::Mix, &["1", "2", "3"]), 1);
        let mut percents: BTreeMap<String, f64> = BTreeMap::new();
        for _ in 0..10_000 {
            let call = calls.draw();
            let verb = text(&call).0.split(' ').next().unwrap().to_owned();
            *percents.entry(format!("{verb} {}", call.kind.name())).or_default() += 0.01;
        }
        let wanted = [
            ("POST recommend", 30.0),
            ("GET recommend", 15.0),
            ("POST visitor", 15.0),
            ("POST similar", 20.0),
            ("POST bundle", 15.0),
            ("POST audience", 5.0),
        ];
        assert_eq!(percents.len(), wanted.len());
        for (call, percent) in wanted {
            assert!((percents[call] - percent).abs() < 2.0, "{call}: {} %", percents[call]);
        }
    }

    #[test]
    fn a_scenario_without_its_ids_names_the_flags() {
        let refuse = |scenario| questions(scenario, &[]).check().unwrap_err().to_string();
        assert!(refuse(Scenario::Recommend).contains("--users FILE"));
        assert!(refuse(Scenario::Bundle).contains("--items FILE"));
        assert!(questions(Scenario::Health, &[]).check().is_ok());
    }
}
