//! Random questions, as a request of the server and as a row of a file for `predict`.

use hyper::Method;
use qianmian_models::consent::ConsentPolicy;
use qianmian_models::snapshot::Snapshot;
use qianmian_trainer::predict::{self, Kind, Request};
use qianmian_trainer::progress::Reporter;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shop::Trained;
use crate::support::Running;

/// Outside ids with scores, best first.
pub type Answer = Vec<(String, f32)>;

/// Questions of one kind that share a count and a switch.
pub struct Batch {
    kind: Kind,
    count: usize,
    /// Without what was bought before, or without who did.
    exclude_bought: bool,
    questions: Vec<Question>,
}

struct Question {
    /// A user or an item; nothing for a cart.
    id: String,
    cart: Vec<String>,
    /// Whose cart it is.
    owner: Option<String>,
}

/// One call.
pub struct Call {
    method: Method,
    path: String,
    accept: &'static str,
    body: String,
}

/// The list of an answer, whatever its name.
#[derive(Deserialize)]
struct Lists {
    #[serde(alias = "complements", alias = "users")]
    items: Vec<Found>,
}

/// An element of an answer's list.
#[derive(Deserialize)]
struct Found {
    #[serde(alias = "user_id")]
    item_id: String,
    rank: usize,
    score: f32,
}

impl Call {
    fn post(path: &str, body: &Value) -> Self {
        let (path, body) = (path.to_owned(), body.to_string());
        Self { method: Method::POST, path, accept: "application/json", body }
    }

    /// The answer of the server.
    pub async fn ask(&self, running: &Running) -> Answer {
        let mut headers = vec![("accept", self.accept)];
        if self.method == Method::POST {
            headers.push(("content-type", "application/json"));
        }
        let answer = running.send(self.method.clone(), &self.path, &headers, &self.body).await;
        assert_eq!(answer.status, 200, "{} {}: {}", self.path, self.body, answer.text());
        let found: Vec<Found> = if self.accept == STREAM {
            answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        } else {
            let lists: Lists = serde_json::from_slice(&answer.body).unwrap();
            lists.items
        };
        assert!(found.iter().zip(1..).all(|(element, rank)| element.rank == rank));
        found.into_iter().map(|element| (element.item_id, element.score)).collect()
    }
}

const STREAM: &str = "application/x-ndjson";

pub fn dice() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(11)
}

/// One id in twelve is of nobody and nothing.
fn user(snapshot: &Snapshot, dice: &mut ChaCha8Rng) -> String {
    let n = dice.random_range(0..snapshot.users.len() as u32);
    if dice.random_range(0..12) == 0 { format!("stranger {n}") } else { snapshot.users.id(n).to_owned() }
}

fn item(snapshot: &Snapshot, dice: &mut ChaCha8Rng) -> String {
    let n = dice.random_range(0..snapshot.items.len() as u32);
    if dice.random_range(0..12) == 0 { format!("没有 {n}") } else { snapshot.items.id(n).to_owned() }
}

impl Question {
    fn draw(kind: Kind, snapshot: &Snapshot, dice: &mut ChaCha8Rng) -> Self {
        let mut question = Self { id: String::new(), cart: Vec::new(), owner: None };
        match kind {
            Kind::Recommend => question.id = user(snapshot, dice),
            Kind::Similar | Kind::Audience => question.id = item(snapshot, dice),
            Kind::Bundle => {
                let items = dice.random_range(1..7);
                question.cart = (0..items).map(|_| item(snapshot, dice)).collect();
                question.owner = dice.random_bool(0.5).then(|| user(snapshot, dice));
            }
        }
        question
    }
}

impl Batch {
    /// The `n`-th batch: four in ten are slates, one in ten audiences.
    pub fn draw(n: usize, size: usize, shop: &Trained, dice: &mut ChaCha8Rng) -> Self {
        use Kind::{Audience, Bundle, Recommend, Similar};
        let kinds =
            [Recommend, Similar, Bundle, Recommend, Similar, Bundle, Recommend, Audience, Recommend, Bundle];
        let kind = kinds[n % kinds.len()];
        Self {
            kind,
            count: dice.random_range(1..=if n.is_multiple_of(7) { 200 } else { 40 }),
            exclude_bought: matches!(kind, Recommend | Audience) && dice.random_bool(0.5),
            questions: (0..size).map(|_| Question::draw(kind, &shop.snapshot, dice)).collect(),
        }
    }

    /// What to say of each when its answers differ.
    pub fn questions(&self) -> impl Iterator<Item = String> + '_ {
        let Self { kind, count, exclude_bought, .. } = self;
        self.questions.iter().map(move |q| {
            format!(
                "{kind:?} {} {:?} for {:?}, {count}, without bought: {exclude_bought}",
                q.id, q.cart, q.owner
            )
        })
    }

    /// The same for the server.
    pub fn requests(&self) -> Vec<Call> {
        let (count, exclude) = (self.count, self.exclude_bought);
        let call = |(n, q): (usize, &Question)| match self.kind {
            Kind::Recommend if n.is_multiple_of(2) => {
                let user = q.id.replace(' ', "%20");
                let path = format!("/recommend?user_id={user}&count={count}&exclude_bought={exclude}");
                Call { method: Method::GET, ..Call::post(&path, &Value::Null) }
            }
            Kind::Recommend => {
                let body = json!({"user": {"id": q.id}, "count": count, "exclude_bought": exclude});
                Call::post("/recommend", &body)
            }
            Kind::Similar => Call::post("/similar", &json!({"item_ids": [q.id], "count": count})),
            Kind::Bundle => {
                let mut body = json!({"cart": q.cart, "count": count});
                if let Some(owner) = &q.owner {
                    body["user"] = json!({"id": owner});
                    body["personalize"] = json!(true);
                }
                Call::post("/bundle", &body)
            }
            Kind::Audience => {
                let body = json!({"item_ids": [q.id], "count": count, "exclude_buyers": exclude});
                let accept = if n.is_multiple_of(2) { STREAM } else { "application/json" };
                Call { accept, ..Call::post("/audience", &body) }
            }
        };
        self.questions.iter().enumerate().map(call).collect()
    }

    /// The answers of `predict`, through files.
    pub fn predicted(&self, snapshot: &Snapshot) -> Vec<Answer> {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.csv"));
        std::fs::write(&input, self.rows()).unwrap();
        // The server's clock is far beyond the data; both are held to the same week.
        let request = Request {
            kind: self.kind,
            count: self.count,
            at: Some(i64::MAX),
            exclude_bought: self.exclude_bought,
            consent: ConsentPolicy::default(),
            neutralize_formulas: false,
        };
        predict::predict(snapshot, &request, input.to_str().unwrap(), &output, &Reporter::new()).unwrap();
        let text = std::fs::read_to_string(&output).unwrap();
        let mut rows = text.lines().skip(1).peekable();
        // Answers stand in the order of the keys, each from rank 1 on; a key without rows has none.
        let answer = |key: &String| {
            let mut answer = Answer::new();
            while let Some(row) = rows.next_if(|row| row.starts_with(&format!("{key},{},", answer.len() + 1)))
            {
                let mut cells = row.split(',').skip(2);
                answer.push((cells.next().unwrap().to_owned(), cells.next().unwrap().parse().unwrap()));
            }
            answer
        };
        let answers = self.keys().iter().map(answer).collect();
        assert_eq!(rows.next(), None, "a row without a question");
        answers
    }

    fn keys(&self) -> Vec<String> {
        let key = |(n, q): (usize, &Question)| {
            if self.kind == Kind::Bundle { format!("cart {n}") } else { q.id.clone() }
        };
        self.questions.iter().enumerate().map(key).collect()
    }

    fn rows(&self) -> String {
        let mut rows = String::new();
        for (key, question) in self.keys().iter().zip(&self.questions) {
            if self.kind == Kind::Bundle {
                for item in &question.cart {
                    let row = json!({"cart_id": key, "item_id": item, "user_id": question.owner});
                    rows += &format!("{row}\n");
                }
            } else {
                rows += &format!("{}\n", json!({self.kind.key_column(): key}));
            }
        }
        rows
    }
}
