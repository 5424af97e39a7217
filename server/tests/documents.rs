//! The calls in the documents run as written, by curl against a server of this process.

use std::process::{Command, Output};

use crate::support::shop::{item, publish, user};
use crate::support::{EAGER, start};

/// Documents with the least number of their calls: an extraction that finds nothing proves nothing.
const DOCUMENTS: [(&str, usize, &str); 4] = [
    ("README.md", 3, include_str!("../../README.md")),
    ("README.zh-CN.md", 3, include_str!("../../README.zh-CN.md")),
    ("docs/api.md", 20, include_str!("../../docs/api.md")),
    ("docs/zh/api.md", 10, include_str!("../../docs/zh/api.md")),
];

/// Every answer has to be 2xx.
const CURL: &str = "curl() { command curl --fail-with-body --max-time 20 \"$@\"; }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_calls_run_as_they_stand() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: documented_calls_run_as_they_stand: curl is not installed");
        return;
    }
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    publish(store.path(), "default", "v2", "a");
    let config = format!("{EAGER}[live]\nfolder = '{}'\n", store.path().join("live").display());
    let running = start(&config, store).await;
    running.until_ready().await;
    // A rollback needs a version before the current one.
    for version in ["v1", "v2"] {
        running.post(&format!("/models/{version}/activate"), &serde_json::Value::Null).await;
    }
    let address = running.server.address().to_string();
    for (name, least, document) in DOCUMENTS {
        let calls = calls(document);
        assert!(calls.len() >= least, "{name}: {} calls", calls.len());
        for call in calls {
            let output = tokio::task::block_in_place(|| run(&setup(document), &call, &address));
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{name}: {call}\n{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(!said.is_empty(), "{name}: {call}: an empty answer");
        }
    }
}

/// Runs a call with the document's own variables; the ids of its example shop become those of the test's.
fn run(setup: &str, call: &str, address: &str) -> Output {
    let (user, item) = (user(3), item("a", 3));
    let script = format!("{CURL}user='{user}'\nitem='{item}'\n{setup}{call}\n")
        .replace("127.0.0.1:8080", address)
        .replace("U00002519", &user)
        .replace("P0000793", &item);
    Command::new("sh").arg("-c").arg(script).output().unwrap()
}

/// The lines that set variables, other than those that ask the trainer for ids.
fn setup(document: &str) -> String {
    let sets = |line: &&str| line.starts_with("    json=") || line.starts_with("    version=");
    document.lines().filter(sets).map(|line| format!("{}\n", line.trim_start())).collect()
}

/// The commands that begin with `curl`, in indented blocks (up to the line that closes their quotes) and in backticks.
fn calls(document: &str) -> Vec<String> {
    let mut calls: Vec<String> = Vec::new();
    let mut open = false;
    for line in document.lines() {
        if open || line.starts_with("    curl ") {
            match calls.last_mut().filter(|_| open) {
                Some(call) => call.push_str(line),
                None => calls.push(line.trim_start().to_owned()),
            }
            open = calls.last().is_some_and(|call| !call.matches('\'').count().is_multiple_of(2));
        } else {
            let cells = line.split('`').skip(1).step_by(2).filter(|cell| cell.starts_with("curl "));
            calls.extend(cells.map(str::to_owned));
        }
    }
    calls
}
