//! The binary against a real HTTP server on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{Reply, Server, run};

/// While the server has run for between these times, every request waits until the later one.
const STALL: (Duration, Duration) = (Duration::from_millis(700), Duration::from_millis(1_200));

fn stalls_once(elapsed: Duration) -> Reply {
    let stalled = (STALL.0..STALL.1).contains(&elapsed);
    let delay = if stalled { STALL.1 - elapsed } else { Duration::ZERO };
    Reply { delay, ..Reply::of_version("v1") }
}

#[test]
fn the_open_loop_reports_a_stall_that_the_closed_loop_hides() {
    let common = ["--user-id", "u", "--connections", "4", "--warmup", "0", "--duration", "2s"];
    let server = Server::start(|_, elapsed| stalls_once(elapsed));
    let open = server.load(&[&common[..], &["--rate", "200"]].concat());
    assert_eq!(open.code, Some(0), "{}", open.error);
    assert_eq!(open.number("/sent"), 400.0);
    assert_eq!(open.number("/answered"), 400.0);
    // A quarter of the requests was due during the stall, on average half of it before its end, but
    // only four connections were there to send one: service time shows four slow answers of 400.
    assert!(open.number("/latency_us/max") >= 450_000.0, "{}", open.table);
    assert!(open.number("/latency_us/p90") >= 200_000.0, "{}", open.table);
    assert!(open.number("/wait_us/p90") >= 200_000.0, "{}", open.table);
    assert!(open.number("/service_us/p90") < 100_000.0, "{}", open.table);
    assert!(open.table.contains("latency"), "{}", open.table);

    let server = Server::start(|_, elapsed| stalls_once(elapsed));
    let closed = server.load(&[&common[..], &["--closed"]].concat());
    assert!(closed.number("/latency_us/max") >= 450_000.0, "{}", closed.table);
    assert!(closed.number("/latency_us/p99") < 200_000.0, "{}", closed.table);
    assert!(closed.json["lag_us"].is_null() && closed.json["wait_us"].is_null());
}

#[test]
fn the_rate_is_held_and_the_connections_are_kept_alive() {
    let server = Server::start(|_, _| Reply::of_version("v1"));
    let run = server.load(&[
        "--user-id",
        "u",
        "--rate",
        "300",
        "--warmup",
        "200ms",
        "--duration",
        "1s",
        "--connections",
        "7",
        "--threads",
        "2",
    ]);
    assert_eq!(run.number("/sent"), 300.0);
    assert!((run.number("/rate_reached") - 300.0).abs() < 9.0, "{}", run.table);
    assert_eq!(server.connections.load(Ordering::SeqCst), 7);
    assert_eq!(server.seen.lock().unwrap().len(), 360, "the warm-up is sent but not reported");
}

#[test]
fn distinct_model_versions_are_counted() {
    let server = Server::start(|n, _| Reply::of_version(if n < 40 { "v1" } else { "v2" }));
    let run = server.load(&["--user-id", "u", "--rate", "200", "--warmup", "0", "--duration", "500ms"]);
    assert_eq!(run.number("/distinct_model_versions"), 2.0);
    assert_eq!(run.number("/model_versions/v1"), 40.0);
    assert_eq!(run.number("/model_versions/v2"), 60.0);
}

#[test]
fn a_failed_answer_sets_the_exit_code_only_when_asked_to() {
    let server =
        Server::start(|n, _| Reply { status: if n % 10 == 3 { 503 } else { 200 }, ..Reply::of_version("v") });
    let common = ["--user-id", "u", "--rate", "200", "--warmup", "0", "--duration", "500ms"];
    let strict = server.load(&[&common[..], &["--fail-on-error"]].concat());
    assert_eq!(strict.code, Some(1));
    assert_eq!(strict.number("/status_classes/5xx"), 10.0);
    assert_eq!(strict.number("/statuses/503"), 10.0);
    assert_eq!(strict.number("/latency_us/count"), 90.0);
    assert_eq!(server.load(&common).code, Some(0));

    let healthy = Server::start(|_, _| Reply::of_version("v"));
    assert_eq!(healthy.load(&[&common[..], &["--fail-on-error"]].concat()).code, Some(0));
}

#[test]
fn a_server_that_closes_connections_between_answers_costs_no_error() {
    let server = Server::start(|n, _| Reply { close: n % 5 == 4, ..Reply::of_version("v") });
    let arguments =
        ["--user-id", "u", "--rate", "300", "--warmup", "0", "--duration", "1s", "--connections", "3"];
    let run = server.load(&[&arguments[..], &["--fail-on-error"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.table);
    assert!(server.connections.load(Ordering::SeqCst) >= 60);
}

#[test]
fn an_answer_that_comes_too_late_is_a_timeout_that_the_latency_keeps() {
    let late = Duration::from_millis(600);
    let server = Server::start(move |n, _| Reply {
        delay: if n == 5 { late } else { Duration::ZERO },
        ..Reply::of_version("v")
    });
    let run = server.load(&[
        "--user-id",
        "u",
        "--rate",
        "100",
        "--warmup",
        "0",
        "--duration",
        "1s",
        "--timeout",
        "300ms",
    ]);
    assert_eq!(run.number("/errors/timeout"), 1.0);
    assert_eq!(run.number("/answered"), 99.0);
    assert_eq!(run.number("/latency_us/count"), 100.0);
    assert!(run.number("/latency_us/max") >= 300_000.0, "{}", run.table);
}

#[test]
fn requests_that_found_no_free_connection_are_reported_as_unsent() {
    let slow = Duration::from_millis(100);
    let server = Server::start(move |_, _| Reply { delay: slow, ..Reply::of_version("v") });
    let run = server.load(&[
        "--user-id",
        "u",
        "--rate",
        "100",
        "--warmup",
        "0",
        "--duration",
        "1s",
        "--timeout",
        "500ms",
        "--connections",
        "1",
        "--fail-on-error",
    ]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.number("/sent") + run.number("/unsent"), 100.0);
    assert!(run.number("/unsent") > 70.0, "{}", run.table);
    assert!(run.number("/latency_us/p50") >= 500_000.0, "{}", run.table);
    assert!(run.table.contains("no free connection"), "{}", run.table);
}

#[test]
fn the_mix_reaches_every_route_with_the_key_and_the_key_is_never_printed() {
    let server = Server::start(|_, _| Reply::of_version("v"));
    let arguments =
        ["--scenario", "mix", "--user-id", "u", "--item-id", "牙刷", "--item-id", "b", "--closed"];
    let arguments = [&arguments[..], &["--warmup", "0", "--duration", "300ms"]].concat();
    let run = run(&server.address.to_string(), &arguments, &[("QIANMIAN_KEY", "s3cret-key")]);
    assert_eq!(run.code, Some(0), "{}", run.error);
    let seen = server.seen.lock().unwrap();
    for line in [
        "GET /recommend?user_id=u&scene=home&count=20",
        "POST /recommend",
        "POST /similar",
        "POST /bundle",
        "POST /audience",
    ] {
        let request = seen.iter().find(|request| request.line == line);
        let request = request.unwrap_or_else(|| panic!("{line} was never sent"));
        assert_eq!(request.authorization.as_deref(), Some("Bearer s3cret-key"));
        if line.starts_with("POST") {
            serde_json::from_str::<serde_json::Value>(&request.body).unwrap();
        }
    }
    assert!(run.number("/calls_us/bundle/count") > 0.0);
    assert!(!format!("{}{}{}", run.table, run.error, run.json).contains("s3cret"));
}

#[test]
fn a_remote_target_is_refused_before_anything_is_sent() {
    let run = run("192.0.2.1:8080", &["--user-id", "u"], &[]);
    assert_eq!(run.code, Some(2));
    assert!(run.error.contains("--allow-remote"), "{}", run.error);
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_not_a_report() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for threads in ["1", "3"] {
        let run = run(&gone.to_string(), &["--user-id", "u", "--threads", threads], &[]);
        assert_eq!(run.code, Some(2));
        assert!(run.error.contains("is the server running?"), "{}", run.error);
        assert!(run.json.is_null());
    }
}
