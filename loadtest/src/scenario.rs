//! What is asked: the scenarios, and the seeded stream of calls that a scenario draws.

use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use clap::ValueEnum;
use hyper::Method;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::json;

use crate::ids::Ids;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// `GET /recommend` for one user.
    Recommend,
    /// `POST /recommend` for one user.
    RecommendPost,
    /// `POST /similar` for one item.
    Similar,
    /// `POST /bundle` for a cart of two items.
    Bundle,
    /// `POST /audience` for one item.
    Audience,
    /// A storefront's blend: 60 % recommend (half GET, half POST), 20 % similar, 15 % bundle, 5 % audience.
    Mix,
}

impl Scenario {
    fn needs_users(self) -> bool {
        matches!(self, Self::Recommend | Self::RecommendPost | Self::Mix)
    }

    fn needs_items(self) -> bool {
        !matches!(self, Self::Recommend | Self::RecommendPost)
    }

    /// Turns [`Scenario::Mix`] into one of its parts by a draw in `0..100`; any other stays itself.
    fn pick(self, percent: u32) -> Self {
        match (self, percent) {
            (Self::Mix, 0..30) => Self::Recommend,
            (Self::Mix, 30..60) => Self::RecommendPost,
            (Self::Mix, 60..80) => Self::Similar,
            (Self::Mix, 80..95) => Self::Bundle,
            (Self::Mix, _) => Self::Audience,
            (other, _) => other,
        }
    }
}

/// One request, before it is tied to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What the report calls it.
    pub name: &'static str,
    pub method: Method,
    pub path_and_query: String,
    /// JSON; empty for a GET.
    pub body: Bytes,
}

/// What calls ask for, shared by every thread.
pub struct Questions {
    pub scenario: Scenario,
    pub users: Option<Ids>,
    pub items: Option<Ids>,
    /// The scene sent with `/recommend`.
    pub scene: String,
    /// How many results to ask for; `None` takes each call's usual number.
    pub count: Option<u32>,
}

/// A seeded, endless stream of calls.
pub struct Calls {
    questions: Arc<Questions>,
    rng: ChaCha8Rng,
}

impl Calls {
    /// The stream number `stream` of a seed; equal arguments give equal calls.
    ///
    /// # Errors
    /// The scenario needs users or items and there are none; the message names the flags.
    pub fn new(questions: Arc<Questions>, seed: u64, stream: u64) -> anyhow::Result<Self> {
        if questions.scenario.needs_users() {
            questions
                .users
                .as_ref()
                .context("this scenario asks about users: give --users FILE or --user-id ID")?;
        }
        if questions.scenario.needs_items() {
            questions
                .items
                .as_ref()
                .context("this scenario asks about items: give --items FILE or --item-id ID")?;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Ok(Self { questions, rng })
    }

    /// Draws the next call.
    pub fn draw(&mut self) -> Call {
        let percent = self.rng.random_range(0..100);
        match self.questions.scenario.pick(percent) {
            Scenario::Recommend => self.recommend_get(),
            Scenario::RecommendPost => self.recommend_post(),
            Scenario::Similar => self.about_item("similar", "/similar", 20),
            Scenario::Bundle => self.bundle(),
            Scenario::Audience | Scenario::Mix => self.about_item("audience", "/audience", 100),
        }
    }

    fn recommend_get(&mut self) -> Call {
        let user = encode(self.user());
        let scene = encode(&self.questions.scene);
        let count = self.questions.count.unwrap_or(20);
        let path_and_query = format!("/recommend?user_id={user}&scene={scene}&count={count}");
        Call { name: "recommend", method: Method::GET, path_and_query, body: Bytes::new() }
    }

    fn recommend_post(&mut self) -> Call {
        let (scene, count) = (self.questions.scene.clone(), self.questions.count.unwrap_or(20));
        let body = json!({ "user": { "id": self.user() }, "scene": scene, "count": count });
        post("recommend", "/recommend", &body)
    }

    fn about_item(&mut self, name: &'static str, path: &str, usual_count: u32) -> Call {
        let count = self.questions.count.unwrap_or(usual_count);
        let items = self.questions.items.as_ref().map(|items| items.draw(&mut self.rng));
        let body = json!({ "item_ids": items.as_slice(), "count": count });
        post(name, path, &body)
    }

    fn bundle(&mut self) -> Call {
        let count = self.questions.count.unwrap_or(10);
        let cart =
            self.questions.items.as_ref().map(|items| items.draw_pair(&mut self.rng)).unwrap_or_default();
        post("bundle", "/bundle", &json!({ "cart": cart, "count": count }))
    }

    fn user(&mut self) -> &str {
        // `new` made sure that there are users wherever one is asked for.
        self.questions.users.as_ref().map_or("", |users| users.draw(&mut self.rng))
    }
}

fn post(name: &'static str, path: &str, body: &serde_json::Value) -> Call {
    Call { name, method: Method::POST, path_and_query: path.to_owned(), body: Bytes::from(body.to_string()) }
}

/// Percent-encodes everything that RFC 3986 does not leave unreserved.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;

    fn calls(scenario: Scenario, ids: &[&str], seed: u64, stream: u64) -> Calls {
        let ids = |prefix: &str| Ids::new(ids.iter().map(|id| format!("{prefix}{id}")).collect(), 1.0);
        let questions =
            Questions { scenario, users: ids("u"), items: ids("i"), scene: "home".into(), count: None };
        Calls::new(Arc::new(questions), seed, stream).unwrap()
    }

    fn first(scenario: Scenario) -> (Method, String, String) {
        let call = calls(scenario, &["1"], 0, 0).draw();
        (call.method, call.path_and_query, String::from_utf8(call.body.to_vec()).unwrap())
    }

    #[test]
    fn each_scenario_sends_the_documented_shape() {
        let get = first(Scenario::Recommend);
        assert_eq!(get, (Method::GET, "/recommend?user_id=u1&scene=home&count=20".into(), String::new()));
        for (scenario, path, body) in [
            (
                Scenario::RecommendPost,
                "/recommend",
                json!({ "user": { "id": "u1" }, "scene": "home", "count": 20 }),
            ),
            (Scenario::Similar, "/similar", json!({ "item_ids": ["i1"], "count": 20 })),
            (Scenario::Bundle, "/bundle", json!({ "cart": ["i1"], "count": 10 })),
            (Scenario::Audience, "/audience", json!({ "item_ids": ["i1"], "count": 100 })),
        ] {
            assert_eq!(first(scenario), (Method::POST, path.into(), body.to_string()));
        }
    }

    #[test]
    fn equal_seeds_give_equal_calls_and_streams_differ() {
        let draw = |seed, stream| {
            let mut calls = calls(Scenario::Mix, &["1", "2", "3", "4"], seed, stream);
            (0..50).map(|_| calls.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(8, 0));
        assert_ne!(draw(7, 0), draw(7, 1));
    }

    #[test]
    fn the_mix_holds_its_shares() {
        let mut calls = calls(Scenario::Mix, &["1", "2"], 1, 0);
        let mut percents: BTreeMap<String, f64> = BTreeMap::new();
        for _ in 0..10_000 {
            let call = calls.draw();
            *percents.entry(format!("{} {}", call.method, call.name)).or_default() += 0.01;
        }
        let wanted = [
            ("GET recommend", 30.0),
            ("POST recommend", 30.0),
            ("POST similar", 20.0),
            ("POST bundle", 15.0),
            ("POST audience", 5.0),
        ];
        assert_eq!(percents.len(), wanted.len());
        for (what, percent) in wanted {
            assert!((percents[what] - percent).abs() < 2.0, "{what}: {} %", percents[what]);
        }
    }

    #[test]
    fn any_id_becomes_a_valid_query() {
        let mut calls = calls(Scenario::Recommend, &[" a/b?&=#%+牙"], 0, 0);
        let path = calls.draw().path_and_query;
        assert_eq!(path, "/recommend?user_id=u%20a%2Fb%3F%26%3D%23%25%2B%E7%89%99&scene=home&count=20");
        path.parse::<hyper::Uri>().unwrap();
    }

    #[test]
    fn a_scenario_without_its_ids_names_the_flags() {
        let refuse = |scenario| {
            let questions =
                Questions { scenario, users: None, items: None, scene: String::new(), count: None };
            Calls::new(Arc::new(questions), 0, 0).err().unwrap().to_string()
        };
        assert!(refuse(Scenario::Recommend).contains("--users FILE"));
        assert!(refuse(Scenario::Bundle).contains("--items FILE"));
    }
}
