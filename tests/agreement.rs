//! The served pipeline and `predict` give the same answers, item by item and score by score.
//!
//! A small demo shop is trained with everything, the ranker included. Ten thousand random questions are then
//! asked twice: of a running server over HTTP, and of `predict` by files.

use std::sync::Arc;
use std::time::Instant;

use crate::questions::{Answer, Batch};
use crate::support::{EAGER, Running, start};

/// Questions of each batch; a batch shares a count and a switch, as a run of `predict` does.
const BATCH: usize = 250;
const BATCHES: usize = 40;
/// Questions that are in flight at once.
const WORKERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_predict_answer_ten_thousand_questions_alike() {
    let shop = crate::shop::trained();
    let mut dice = crate::questions::dice();
    let batches: Vec<Batch> = (0..BATCHES).map(|n| Batch::draw(n, BATCH, &shop, &mut dice)).collect();
    let running = Arc::new(start(EAGER, shop.store).await);
    running.until_ready().await;
    let started = Instant::now();
    let (mut asked, mut rows, mut empty) = (0, 0, 0);
    for batch in &batches {
        let served = served(&running, batch).await;
        let predicted = batch.predicted(&shop.snapshot);
        assert_eq!(served.len(), predicted.len());
        for (question, (served, predicted)) in batch.questions().zip(served.iter().zip(&predicted)) {
            assert!(served == predicted, "{question}\nserved    {served:?}\npredicted {predicted:?}");
            rows += served.len();
            empty += usize::from(served.is_empty());
        }
        asked += served.len();
    }
    assert_eq!(asked, 10_000);
    assert!(rows > 100_000 && empty < asked / 10, "{rows} rows, {empty} empty answers");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// The server's answers to a batch, in order, over connections that are kept alive.
async fn served(running: &Arc<Running>, batch: &Batch) -> Vec<Answer> {
    let requests: Arc<Vec<_>> = Arc::new(batch.requests());
    let worker = |first: usize| {
        let (running, requests) = (Arc::clone(running), Arc::clone(&requests));
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for request in requests.iter().skip(first).step_by(WORKERS) {
                answers.push(request.ask(&running).await);
            }
            answers
        })
    };
    let workers: Vec<_> = (0..WORKERS).map(worker).collect();
    let mut found = vec![Answer::new(); requests.len()];
    for (first, worker) in workers.into_iter().enumerate() {
        for (n, answer) in worker.await.unwrap().into_iter().enumerate() {
            found[first + n * WORKERS] = answer;
        }
    }
    found
}
