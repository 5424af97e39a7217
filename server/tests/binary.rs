//! The program itself: its command line, its signals, its log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::shop::publish;

fn server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qianmian-server"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    server().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that serves, ended when dropped.
struct Serving {
    child: Child,
    address: String,
    log: BufReader<std::process::ChildStderr>,
    /// Its log lines before it listened.
    start: String,
}

impl Serving {
    fn start(store: &Path, arguments: &[&str]) -> Self {
        let mut command = server();
        command.arg("--store").arg(store).args(["--log", "debug"]).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut start = String::new();
        let address = loop {
            let begin = start.len();
            assert!(log.read_line(&mut start).unwrap() > 0, "it ended before it listened");
            let line: serde_json::Value = serde_json::from_str(&start[begin..]).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        Self { child, address, log, start }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str, headers: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"))
    }

    fn until_ready(&self) {
        for _ in 0..500 {
            if self.get("/readyz", "").starts_with("HTTP/1.1 200 ") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("not ready after ten seconds");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_ends() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let mut serving = Serving::start(store.path(), &[]);
    serving.until_ready();
    let mut slow = TcpStream::connect(&serving.address).unwrap();
    let head = "POST /similar HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(b"{\"item_ids\":").unwrap();
    let _idle = TcpStream::connect(&serving.address).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    serving.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(TcpStream::connect(&serving.address).is_err(), "it still accepts");
    assert!(serving.child.try_wait().unwrap().is_none(), "it did not wait for the request");
    slow.write_all(b"[\"a-item-04\"]}").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("a-item-07"), "{answer}");
    assert!(serving.child.wait().unwrap().success());
}

#[test]
fn a_request_that_never_ends_does_not_hold_the_end_up() {
    let store = tempfile::tempdir().unwrap();
    let config = store.path().join("server.toml");
    std::fs::write(&config, "drain_seconds = 0.2\n[limits]\nrequest_seconds = 60\n").unwrap();
    let mut serving = Serving::start(store.path(), &["--config", config.to_str().unwrap()]);
    let mut slow = TcpStream::connect(&serving.address).unwrap();
    let head = "POST /similar HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let started = std::time::Instant::now();
    serving.signal("INT");
    assert!(serving.child.wait().unwrap().success());
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn a_hangup_makes_it_look_at_the_store_at_once() {
    let store = tempfile::tempdir().unwrap();
    let config = store.path().join("server.toml");
    std::fs::write(&config, "poll_seconds = 3600\n").unwrap();
    let serving = Serving::start(store.path(), &["--config", config.to_str().unwrap()]);
    assert!(serving.get("/readyz", "").starts_with("HTTP/1.1 503 "));
    publish(store.path(), "default", "v1", "a");
    serving.signal("HUP");
    serving.until_ready();
}

#[test]
fn neither_keys_nor_their_hashes_nor_users_reach_the_log() {
    let store = tempfile::tempdir().unwrap();
    publish(store.path(), "default", "v1", "a");
    let made = text(&run(&["new-key", "--scopes", "read,admin"]).stdout);
    let key = made.lines().find(|line| line.starts_with("qm_")).unwrap().to_owned();
    let entry = &made[made.find("[[keys]]").unwrap()..];
    let hash = entry.split('"').rev().nth(1).unwrap().to_owned();
    assert_eq!((key.len(), hash.len()), (67, 64));
    let config = store.path().join("server.toml");
    std::fs::write(&config, entry).unwrap();
    let mut serving = Serving::start(store.path(), &["--config", config.to_str().unwrap()]);
    serving.until_ready();
    let authorization = format!("authorization: Bearer {key}\r\n");
    assert!(serving.get("/users/user-04", &authorization).starts_with("HTTP/1.1 200 "));
    assert!(serving.get("/users/user-99", &authorization).starts_with("HTTP/1.1 404 "));
    assert!(
        serving
            .get("/recommend?user_id=user-04", "authorization: Bearer qm_wrong\r\n")
            .contains("unknown_key")
    );
    serving.signal("TERM");
    let mut log = String::new();
    serving.log.read_to_string(&mut log).unwrap();
    assert!(log.contains("a request was refused"), "{log}");
    for secret in [key.as_str(), &hash, "qm_", "user-04", "user-99"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn without_keys_it_listens_on_loopback_only() {
    let store = tempfile::tempdir().unwrap();
    let refused = run(&["--store", store.path().to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    let message = text(&refused.stderr);
    assert!(!refused.status.success());
    for cure in ["new-key", "127.0.0.1", "--allow-open"] {
        assert!(message.contains(cure), "{message}");
    }
}

#[test]
fn a_configuration_is_checked_without_serving() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    let check = |toml: &str| {
        std::fs::write(&path, toml).unwrap();
        let by_command = run(&["check-config", "--config", path.to_str().unwrap()]);
        let by_flag = run(&["--check-config", "--config", path.to_str().unwrap()]);
        assert_eq!((&by_command.stdout, by_command.status), (&by_flag.stdout, by_flag.status));
        by_command
    };
    let good = check("poll_seconds = 5\n");
    assert!(good.status.success() && text(&good.stdout).contains("shops: default"), "{}", text(&good.stderr));
    let bad = check("poll_second = 5\n");
    let message = text(&bad.stderr);
    assert!(!bad.status.success() && message.contains("did you mean `poll_seconds`?"), "{message}");
    assert!(message.contains("server.toml"), "{message}");
    let missing = run(&["check-config", "--config", "/nowhere.toml"]);
    assert!(text(&missing.stderr).contains("/nowhere.toml"));
}

/// The fields of a JSON object, including duplicate ones.
struct Fields(Vec<String>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some((field, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[test]
fn log_lines_are_json_with_each_key_once() {
    let store = tempfile::tempdir().unwrap();
    std::fs::create_dir(store.path().join("default")).unwrap();
    let latest = r#"{"version":"nope","previous":null}"#;
    std::fs::write(store.path().join("default").join("latest.json"), latest).unwrap();
    let mut serving = Serving::start(store.path(), &[]);
    std::thread::sleep(std::time::Duration::from_millis(2_000));
    serving.signal("TERM");
    let mut log = std::mem::take(&mut serving.start);
    serving.log.read_to_string(&mut log).unwrap();
    assert!(log.contains("\"message\":\"model refused; the old one goes on\""), "{log}");
    assert!(log.contains("\"reason\":\"version `nope` is not in"), "{log}");
    for line in log.lines() {
        let Fields(mut fields) = serde_json::from_str(line).unwrap();
        let count = fields.len();
        fields.sort_unstable();
        fields.dedup();
        assert_eq!(fields.len(), count, "{line}");
    }
}

#[test]
fn an_empty_store_is_logged_with_its_path() {
    let store = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(&store.path().join("missing"), &[]);
    // Its workers may log before it listens, or a little later.
    std::thread::sleep(std::time::Duration::from_millis(2_000));
    serving.signal("TERM");
    let mut log = std::mem::take(&mut serving.start);
    serving.log.read_to_string(&mut log).unwrap();
    let folder = store.path().join("missing").join("default");
    let said = log.lines().filter(|line| line.contains("the model store has no model for this shop"));
    let said: Vec<&str> = said.collect();
    assert!(said.len() == 1 && said[0].contains(folder.to_str().unwrap()), "{log}");
}

#[test]
fn half_a_request_head_does_not_hold_up_the_shutdown() {
    let store = tempfile::tempdir().unwrap();
    let config = store.path().join("server.toml");
    std::fs::write(&config, "drain_seconds = 60\n").unwrap();
    let mut serving = Serving::start(store.path(), &["--config", config.to_str().unwrap()]);
    let mut half = TcpStream::connect(&serving.address).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let started = std::time::Instant::now();
    serving.signal("TERM");
    assert!(serving.child.wait().unwrap().success());
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn it_listens_on_a_name_and_on_ipv6() {
    let store = tempfile::tempdir().unwrap();
    for listen in ["localhost:0", "[::1]:0"] {
        if listen.starts_with('[') && std::net::TcpListener::bind("[::1]:0").is_err() {
            eprintln!("SKIPPED {listen}: this machine has no IPv6");
            continue;
        }
        let serving = Serving::start(store.path(), &["--listen", listen]);
        assert!(serving.get("/healthz", "").starts_with("HTTP/1.1 200 "), "{listen}");
    }
    let refused = run(&["--store", store.path().to_str().unwrap(), "--listen", "8080"]);
    let message = text(&refused.stderr);
    assert!(!refused.status.success() && message.contains("localhost:8080"), "{message}");
}

#[test]
fn check_config_looks_at_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("models");
    let check = || {
        let checked = run(&["check-config", "--store", store.to_str().unwrap()]);
        assert!(checked.status.success(), "{}", text(&checked.stderr));
        text(&checked.stdout)
    };
    let missing = check();
    assert!(missing.contains("WARNING") && missing.contains("does not exist"), "{missing}");
    publish(&store, "default", "v1", "a");
    let found = check();
    assert!(found.contains("v1 is published, of 1 versions") && !found.contains("WARNING"), "{found}");
    std::fs::rename(store.join("default").join("v1"), store.join("default").join("v2")).unwrap();
    let torn = check();
    assert!(torn.contains("WARNING") && torn.contains("v1"), "{torn}");
}
