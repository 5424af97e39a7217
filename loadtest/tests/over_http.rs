//! The binary against a real HTTP server on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use support::{Reply, Server, run};

/// A request that arrives between these two times after the start waits until the later one.
const STALL: (Duration, Duration) = (Duration::from_millis(700), Duration::from_millis(1_200));

/// 100 requests at even gaps.
const EVEN: [&str; 10] =
    ["--user-id", "u", "--rate", "200", "--arrivals", "even", "--warmup", "0", "--duration", "500ms"];

fn stalls_once(elapsed: Duration) -> Reply {
    let stalled = (STALL.0..STALL.1).contains(&elapsed);
    let delay = if stalled { STALL.1 - elapsed } else { Duration::ZERO };
    Reply { delay, ..Reply::of_version("v1") }
}

#[test]
fn the_open_loop_shows_a_stall_that_the_closed_hides() {
    let common = ["--user-id", "u", "--connections", "4", "--warmup", "0", "--duration", "2s"];
    let server = Server::start(|_, elapsed| stalls_once(elapsed));
    let open = server.load(&[&common[..], &["--rate", "200", "--arrivals", "even"]].concat());
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
    assert!(closed.number("/latency_us/p90") < 200_000.0, "{}", closed.table);
    assert!(closed.json["lag_us"].is_null() && closed.json["wait_us"].is_null());
}

#[test]
fn the_rate_is_held_on_kept_alive_connections() {
    let server = Server::start(|_, _| Reply::of_version("v1"));
    let run = server.load(&[
        "--user-id",
        "u",
        "--rate",
        "300",
        "--arrivals",
        "even",
        "--warmup",
        "200ms",
        "--duration",
        "1s",
        "--connections",
        "7",
    ]);
    assert_eq!(run.number("/sent"), 300.0);
    assert!((run.number("/rate_reached") - 300.0).abs() < 9.0, "{}", run.table);
    assert_eq!(server.connections.load(Ordering::SeqCst), 7);
    assert_eq!(server.seen.lock().unwrap().len(), 360, "the warm-up is sent but not reported");
}

#[test]
fn distinct_model_versions_are_counted() {
    let server = Server::start(|n, _| Reply::of_version(if n < 40 { "v1" } else { "v2" }));
    let run = server.load(&EVEN);
    assert_eq!(run.number("/distinct_model_versions"), 2.0);
    assert_eq!(run.number("/model_versions/v1"), 40.0);
    assert_eq!(run.number("/model_versions/v2"), 60.0);
}

#[test]
fn failed_answers_set_the_exit_code_when_asked() {
    let server =
        Server::start(|n, _| Reply { status: if n % 10 == 3 { 503 } else { 200 }, ..Reply::of_version("v") });
    let common = EVEN;
    let strict = server.load(&[&common[..], &["--fail-on-error"]].concat());
    assert_eq!(strict.code, Some(1));
    assert_eq!(strict.number("/statuses/503"), 10.0);
    assert_eq!(strict.number("/latency_us/count"), 90.0);
    assert_eq!(server.load(&common).code, Some(0));

    let healthy = Server::start(|_, _| Reply::of_version("v"));
    assert_eq!(healthy.load(&[&common[..], &["--fail-on-error"]].concat()).code, Some(0));
}

#[test]
fn closed_connections_are_reopened_without_error() {
    let server = Server::start(|n, _| Reply { close: n % 5 == 4, ..Reply::of_version("v") });
    let arguments =
        ["--user-id", "u", "--rate", "300", "--warmup", "0", "--duration", "1s", "--connections", "3"];
    let run = server.load(&[&arguments[..], &["--fail-on-error"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.table);
    assert!(server.connections.load(Ordering::SeqCst) >= 60);
}

#[test]
fn a_timeout_stays_in_the_latency() {
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
        "--arrivals",
        "even",
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
fn requests_without_a_connection_are_unsent() {
    let slow = Duration::from_millis(100);
    let server = Server::start(move |_, _| Reply { delay: slow, ..Reply::of_version("v") });
    let run = server.load(&[
        "--user-id",
        "u",
        "--rate",
        "100",
        "--arrivals",
        "even",
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
fn wrong_content_is_counted_and_fails_the_run() {
    for (ids, flaw) in [(&["a", "b", "a"][..], "duplicate"), (&["a"; 21][..], "too_many")] {
        let server = Server::start(move |n, _| Reply::of_items("v", if n == 7 { ids } else { &["a"] }));
        let run = server.load(&[&EVEN[..], &["--fail-on-error"]].concat());
        assert_eq!(run.code, Some(1), "{}", run.table);
        assert_eq!(run.number(&format!("/flaws/{flaw}")), 1.0);
        assert_eq!(run.number("/short"), 99.0, "one item of 20 is short");
        assert_eq!(run.number("/in_time"), 99.0);
    }
}

#[test]
fn a_passed_bound_sets_the_exit_code_and_is_named() {
    let slow = Duration::from_millis(20);
    let server = Server::start(move |_, _| Reply { delay: slow, ..Reply::of_version("v") });
    let late = server.load(&[&EVEN[..], &["--max-p99", "10ms"]].concat());
    assert_eq!(late.code, Some(1));
    assert!(late.error.contains("p99"), "{}", late.error);
    let few = server.load(&[&EVEN[..], &["--min-goodput", "500"]].concat());
    assert_eq!(few.code, Some(1));
    assert!(few.error.contains("fewer than 500"), "{}", few.error);
    let within = server.load(&[&EVEN[..], &["--max-p99", "4s", "--min-goodput", "20"]].concat());
    assert_eq!(within.code, Some(0), "{}", within.error);
}

#[test]
fn the_page_holds_the_latency_curves() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("load.html");
    let server = Server::start(|_, _| Reply::of_version("v"));
    let run = server.load(&[&EVEN[..], &["--html", page.to_str().unwrap()]].concat());
    assert_eq!(run.code, Some(0), "{}", run.error);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<polyline") && page.contains("lag of the generator"), "{page}");
    assert!(!page.contains("src=") && !page.contains("href="), "it needs nothing else");
    assert!(run.json["latency_curve"].as_array().unwrap().len() > 10);
}

#[test]
fn a_second_scenario_runs_beside_the_first() {
    let server = Server::start(|_, _| Reply::of_version("v"));
    let run = server.load(&[&EVEN[..], &["--item-id", "i", "--beside", "similar"]].concat());
    assert_eq!(run.number("/sent"), 100.0);
    assert!(run.number("/beside/sent") > 100.0, "the closed loop sends without a pause");
    assert_eq!(server.connections.load(Ordering::SeqCst), 64 + 4);
}

#[test]
fn the_floor_is_served_and_its_processor_time_measured() {
    let mut floor = Command::new(env!("CARGO_BIN_EXE_qianmian-loadtest"))
        .args(["floor", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(floor.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    let pid = floor.id().to_string();
    let arguments =
        ["--scenario", "floor", "--closed", "--warmup", "100ms", "--duration", "1s", "--pid", &pid];
    let run = run(address, "load", &[&arguments[..], &["--fail-on-error"]].concat(), &[]);
    floor.kill().unwrap();
    floor.wait().unwrap();
    assert_eq!(run.code, Some(0), "{}{}", run.error, run.table);
    assert_eq!(run.number("/short"), 0.0);
    let (cpu, answers) = (run.number("/server/cpu_seconds"), run.number("/server/answers"));
    assert!((run.number("/server/cpu_us_per_request") - cpu * 1e6 / answers).abs() < 1e-6);
    assert!(cpu > 0.0 && run.number("/server/cores_used") <= 2.0, "{}", run.table);
    let (mean, bytes) = (run.number("/body_bytes") / run.number("/answered"), 2_300.0..2_500.0);
    assert!(bytes.contains(&mean), "{mean} bytes an answer");
}

#[test]
fn saturation_is_where_more_connections_add_nothing() {
    // One answer every 4 ms, one after another: 250 per second, however many are asked for.
    let next = Mutex::new(Duration::ZERO);
    let server = Server::start(move |_, elapsed| {
        let mut next = next.lock().unwrap();
        *next = (*next).max(elapsed) + Duration::from_millis(4);
        Reply { delay: *next - elapsed, ..Reply::of_version("v") }
    });
    let run = server.run("saturation", &["--user-id", "u", "--duration", "400ms"]);
    assert_eq!(run.code, Some(0), "{}", run.error);
    assert!((120.0..=260.0).contains(&run.number("/rate")), "{}", run.table);
    assert!(run.number("/connections") <= 32.0, "{}", run.table);
}

#[test]
fn an_overload_reports_goodput_refusals_and_recovery() {
    // 100 answers a second at most; the rest is refused at once.
    let next = Mutex::new(Duration::ZERO);
    let server = Server::start(move |_, elapsed| {
        let mut next = next.lock().unwrap();
        if *next > elapsed + Duration::from_millis(20) {
            return Reply { status: 503, ..Reply::of_version("v") };
        }
        *next = (*next).max(elapsed) + Duration::from_millis(10);
        Reply { delay: *next - elapsed, ..Reply::of_version("v") }
    });
    let shape = ["--user-id", "u", "--connections", "200", "--duration", "2s", "--recovery", "1s"];
    let overload = [&shape[..], &["--saturation", "100", "--factor", "5"]].concat();
    let run = server.run("overload", &[&overload[..], &["--max-health", "4s"]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.error, run.table);
    assert_eq!(run.number("/offered"), 500.0);
    assert!(run.number("/goodput_share") > 0.5, "{}", run.table);
    assert!(run.number("/overload/refusals_us/count") > 300.0, "{}", run.table);
    assert!(run.number("/health/answered") > 20.0, "{}", run.table);
    assert!(run.number("/after/sent") > 20.0, "{}", run.table);
    assert!(run.table.contains("recovered"), "{}", run.table);
    let strict = server.run("overload", &[&overload[..], &["--min-goodput", "1.5"]].concat());
    assert_eq!(strict.code, Some(1));
    assert!(strict.error.contains("goodput"), "{}", strict.error);
}

#[test]
fn the_mix_sends_the_key_and_never_prints_it() {
    let server = Server::start(|_, _| Reply::of_version("v"));
    let arguments =
        ["--scenario", "mix", "--user-id", "u", "--item-id", "牙刷", "--item-id", "b", "--closed"];
    let arguments = [&arguments[..], &["--warmup", "0", "--duration", "300ms"]].concat();
    let run = run(&server.address.to_string(), "load", &arguments, &[("QIANMIAN_KEY", "s3cret-key")]);
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
    assert!(run.number("/calls_us/visitor/count") > 0.0);
    assert!(!format!("{}{}{}", run.table, run.error, run.json).contains("s3cret"));
}

#[test]
fn a_remote_target_is_refused() {
    let run = run("192.0.2.1:8080", "load", &["--user-id", "u"], &[]);
    assert_eq!(run.code, Some(2));
    assert!(run.error.contains("--allow-remote"), "{}", run.error);
}

#[test]
fn a_missing_server_is_an_error() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = run(&gone.to_string(), "load", &["--user-id", "u"], &[]);
    assert_eq!(run.code, Some(2));
    assert!(run.error.contains("is the server running?"), "{}", run.error);
    assert!(run.json.is_null());
}
