//! Streams of rooms; over both stores, as `rooms.rs`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;

/// A console: it keeps its own list by what the stream says.
pub struct Console {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    pub headers: HashMap<String, String>,
    pub last_id: String,
    seq: u64,
    revision: u64,
    products: Vec<Value>,
    room: Value,
}

impl Console {
    pub async fn open(running: &Running, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(running.server.address()).await.unwrap();
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(socket).lines();
        let mut headers = HashMap::new();
        assert!(lines.next_line().await.unwrap().unwrap().contains("200"));
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            headers.insert(name.to_owned(), value.to_owned());
        }
        let (last_id, products, room) = (String::new(), Vec::new(), Value::Null);
        Self { lines, headers, last_id, seq: 0, revision: 0, products, room }
    }

    /// The next event and its data; none when the stream ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        let mut event = String::new();
        let wait = Duration::from_secs(20);
        while let Some(line) = tokio::time::timeout(wait, self.lines.next_line()).await.unwrap().ok()? {
            // The last chunk: the connection stays open for another request.
            if line == "0" {
                return None;
            }
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event);
            } else if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last_id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).unwrap();
                self.apply(&event, &data);
                return Some((event, data));
            }
        }
        None
    }

    fn apply(&mut self, event: &str, data: &Value) {
        let seq = data["seq"].as_u64().unwrap();
        assert!(event == "snapshot" || seq == self.seq + 1, "{event} {seq} after {}", self.seq);
        self.seq = seq;
        match event {
            "snapshot" => {
                self.products = data["products"].as_array().unwrap().clone();
                (self.revision, self.room) = (data["revision"].as_u64().unwrap(), data["room"].clone());
                assert_eq!(data["hash"], self.hash());
            }
            "change" => self.change(data),
            "hash" => assert_eq!(data["hash"], self.hash(), "{:?}", self.products),
            _ => {}
        }
    }

    fn change(&mut self, data: &Value) {
        self.revision = data["revision"].as_u64().unwrap();
        if let Some(room) = data.get("room") {
            self.room = room.clone();
        }
        let list = |field: &str| data[field].as_array().cloned().unwrap_or_default();
        let removed = list("removed");
        self.products.retain(|product| !removed.contains(&product["item_id"]));
        for product in list("products") {
            match self.products.iter_mut().find(|known| known["item_id"] == product["item_id"]) {
                Some(known) => *known = product,
                None => self.products.push(product),
            }
        }
        if let Some(order) = data["order"].as_array() {
            let place = |product: &Value| order.iter().position(|item_id| *item_id == product["item_id"]);
            self.products.sort_by_key(place);
        }
    }

    pub fn hash(&self) -> String {
        let mut text = format!("{}\n", self.revision);
        for product in &self.products {
            let field = |name: &str| match &product[name] {
                Value::Null => "-".to_owned(),
                Value::Bool(flag) => u8::from(*flag).to_string(),
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string().trim_end_matches(".0").to_owned(),
                other => panic!("{other}"),
            };
            let fields =
                ["number", "item_id", "visibility", "buyable", "explained", "price", "stock"].map(field);
            text.push_str(&fields.join("\t"));
            text.push('\n');
        }
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        format!("{:08x}", text.bytes().fold(0x811c_9dc5, step))
    }

    /// Reads until the list is that of the server.
    pub async fn until_equal(&mut self, running: &Running) {
        let wanted = list(running).await["hash"].clone();
        while self.hash() != wanted {
            self.next().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_begins_with_the_state_and_tells_each_change() {
    let running = live().await;
    room(&running, "live", &[1, 2, 3]).await;
    let mut console = Console::open(&running, "/rooms/r/stream", "").await;
    for (name, value) in
        [("content-type", "text/event-stream"), ("x-accel-buffering", "no"), ("x-stream-from", "snapshot")]
    {
        assert_eq!(console.headers[name], value);
    }
    assert_eq!(console.next().await.unwrap().0, "snapshot");
    let started = Instant::now();
    running.post("/rooms/r/explain", &json!({"item_id": item("a", 2), "ttl_seconds": 1})).await.ok();
    let (event, data) = console.next().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!((event.as_str(), &data["room"]["explaining"]["item_id"]), ("change", &json!(item("a", 2))));
    assert_eq!(ids(&data, "products", "item_id"), [item("a", 2)], "what did not change is not sent");
    running.post("/rooms/r/products/order", &json!({"numbers": "3,2"})).await.ok();
    running.send(Method::DELETE, &format!("/rooms/r/products/{}", item("a", 1)), &[], "").await.ok();
    room(&running, "planned", &[4, 5]).await;
    running.post("/rooms/r/products/order", &json!({"numbers": "5"})).await.ok();
    running
        .post("/items", &json!({"items": [{"item_id": item("a", 3), "stock": 0, "price": 10}]}))
        .await
        .ok();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    console.until_equal(&running).await;
    assert_eq!(console.room["explaining"], Value::Null, "its time is over, and nobody had to say so");
    while console.next().await.unwrap().0 != "hash" {}
    running.send(Method::DELETE, "/rooms/r", &[], "").await.ok();
    while console.next().await.is_some_and(|(event, _)| event != "deleted") {}
    assert!(console.next().await.is_none(), "the stream of a deleted room ends");
    running.get("/rooms/r/stream").await.problem(404, "unknown_room");
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_cut_off() {
    let running = live().await;
    room(&running, "live", &[1, 2, 3]).await;
    let mut console = Console::open(&running, "/rooms/r/stream", "").await;
    console.next().await.unwrap();
    running.post("/rooms/r/explain", &json!({"item_id": item("a", 1)})).await.ok();
    console.next().await.unwrap();
    let seen = console.last_id.clone();
    drop(console);
    for n in [2, 3] {
        running.post("/rooms/r/explain", &json!({"item_id": item("a", n)})).await.ok();
    }
    let header = format!("last-event-id: {seen}\r\n");
    let by_query = format!("/rooms/r/stream?last_event_id={seen}");
    for (path, header) in [("/rooms/r/stream", header.as_str()), (by_query.as_str(), "")] {
        let mut again = Console::open(&running, path, header).await;
        assert_eq!(again.headers["x-stream-from"], seen);
        again.seq = seen.split_once('-').unwrap().1.parse().unwrap();
        let explained = async |console: &mut Console| {
            let (event, data) = console.next().await.unwrap();
            assert_eq!(event, "change");
            data["room"]["explaining"]["item_id"].clone()
        };
        let mut last = explained(&mut again).await;
        while last != item("a", 3) {
            last = explained(&mut again).await;
        }
    }
    for unknown in ["nonsense", "0123456789abcdef-7", "-", "a-b-c"] {
        let mut again =
            Console::open(&running, &format!("/rooms/r/stream?last_event_id={unknown}"), "").await;
        assert_eq!(again.headers["x-stream-from"], "snapshot");
        assert_eq!(again.next().await.unwrap().0, "snapshot", "never silence");
        again.until_equal(&running).await;
    }
}

#[tokio::test]
async fn open_streams_do_not_hold_up_a_stop() {
    let running = live().await;
    room(&running, "live", &[1]).await;
    let mut console = Console::open(&running, "/rooms/r/stream", "").await;
    console.next().await.unwrap();
    let started = Instant::now();
    running.server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    while console.next().await.is_some() {}
}
