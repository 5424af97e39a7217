//! `floor`: a bare axum server, the lower bound of the cost of an answer over HTTP on this machine.
//!
//! It reads a JSON request of 214 bytes into a struct and writes a JSON answer of about 2.4 KB with 20 items from
//! structs, as `/recommend` does, and computes nothing. Load it with `--scenario floor` in the same run as the server
//! and compare the processor time per request: the ratio carries over between machines.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// The request body of `--scenario floor`.
pub const REQUEST_BODY: &str = r#"{"user":{"id":"U00002519"},"context":{"item_ids":["P0000793","P0001627","P0000018"],"cart":["P0000442"],"city":"Shanghai","channel":"mini_program"},"scene":"home","count":20,"session_id":"3f9c1b7e-5a2d-4c08-b18e7"}"#;
const _: () = assert!(REQUEST_BODY.len() == 214);

/// Items in an answer.
const N_ITEMS: u32 = 20;

/// Serves the floor until it is stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one. The first line of the output names the address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8079")]
    listen: SocketAddr,
    /// Threads that answer.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
}

#[derive(Deserialize)]
struct Request {
    user: User,
    context: Visit,
    scene: String,
    count: u32,
    session_id: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Visit {
    item_ids: Vec<String>,
    cart: Vec<String>,
    city: String,
    channel: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    request_id: &'a str,
    scene: &'a str,
    /// Bytes of ids in the request, so that reading it cannot be optimized away.
    id_bytes: usize,
    items: &'a [Item],
    took_us: u64,
}

#[derive(Serialize)]
struct Item {
    item_id: String,
    rank: u32,
    score: f32,
    title: String,
    price: f32,
    source: &'static str,
}

/// Listens and answers.
///
/// # Errors
/// The address cannot be bound.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(args.threads.into()).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
        let router = Router::new().route("/", post(answer)).with_state(Arc::new(items()));
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // Without it an answer may wait for the acknowledgment of the one before.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn answer(
    State(items): State<Arc<Vec<Item>>>,
    Json(request): Json<Request>,
) -> axum::response::Response {
    use axum::response::IntoResponse;
    let context = &request.context;
    let ids = context.item_ids.iter().chain(&context.cart).map(String::len).sum::<usize>();
    let id_bytes = ids + request.user.id.len() + context.city.len() + context.channel.len();
    let count = (request.count as usize).min(items.len());
    let answer = Answer {
        request_id: &request.session_id,
        scene: &request.scene,
        id_bytes,
        items: &items[..count],
        took_us: 0,
    };
    Json(answer).into_response()
}

fn items() -> Vec<Item> {
    (1..=N_ITEMS)
        .map(|rank| Item {
            item_id: format!("P{:07}", rank * 793),
            rank,
            score: 3.0 - rank as f32 * 0.1301,
            title: format!("Coffee beans, dark roast {rank:02}"),
            price: 19.9 + rank as f32,
            source: "personal",
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn the_floor_answers_20_items_in_2_4_kilobytes() {
        let request: Request = serde_json::from_str(REQUEST_BODY).unwrap();
        let response = answer(State(Arc::new(items())), Json(request)).await;
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!((2_300..2_500).contains(&body.len()), "{} bytes", body.len());
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["items"].as_array().unwrap().len(), 20);
    }
}
