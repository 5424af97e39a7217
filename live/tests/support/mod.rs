//! Redis servers for tests: each on a free port of loopback, in a folder of its own, ended by its process.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests of two crates, each uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// True if there is a `redis-server` program; prints a message if there is none.
pub fn redis_is_here(test: &str) -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let here = found.is_ok_and(|status| status.success());
    if !here {
        eprintln!(
            "SKIPPED {test}: there is no redis-server; scripts/install-redis.sh says how to install it"
        );
    }
    here
}

/// A server that writes every change to its disk before it answers.
pub struct RedisServer {
    child: Option<Child>,
    pub port: u16,
    folder: TempDir,
    /// The time at which changes reach the disk: `always`, `everysec`, or `never` (only on `SAVE`).
    fsync: &'static str,
    cluster: bool,
}

impl RedisServer {
    /// One server.
    pub fn start() -> Self {
        Self::begin(tempfile::tempdir, "always", false)
    }

    /// One server whose folder is made in `parent`, with this `appendfsync` (`always`, `everysec`).
    pub fn start_in(parent: &Path, fsync: &'static str) -> Self {
        Self::begin(|| tempfile::tempdir_in(parent), fsync, false)
    }

    /// One server that keeps only what `SAVE` writes.
    pub fn start_volatile() -> Self {
        Self::begin(tempfile::tempdir, "never", false)
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The nodes of a cluster that serves all slots.
    pub fn start_cluster(nodes: u16) -> Vec<Self> {
        let servers: Vec<Self> = (0..nodes).map(|_| Self::begin(tempfile::tempdir, "always", true)).collect();
        let slots = |n: u32| n * 16_384 / u32::from(nodes);
        for (n, server) in (0..).zip(&servers) {
            let range = format!("CLUSTER ADDSLOTSRANGE {} {}", slots(n), slots(n + 1) - 1);
            assert_eq!(server.say(&range), "+OK");
            assert_eq!(server.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1)), "+OK");
        }
        for server in &servers[1..] {
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", server.port, server.port + 1);
            assert_eq!(servers[0].say(&meet), "+OK");
        }
        let settled = |server: &Self| {
            let info = server.say("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{nodes}"))
        };
        wait_for("the cluster is formed", || servers.iter().all(settled));
        servers
    }

    fn begin(folder: impl Fn() -> std::io::Result<TempDir>, fsync: &'static str, cluster: bool) -> Self {
        let mut server = Self { child: None, port: 0, folder: folder().unwrap(), fsync, cluster };
        // Another process may take the port in between; then another one is tried.
        for _ in 0..20 {
            server.port = free_port();
            if server.try_start_again() {
                return server;
            }
        }
        panic!("no redis-server could be started");
    }

    /// Starts it again after its end, on the same port and with its data on disk.
    pub fn start_again(&mut self) {
        assert!(self.try_start_again(), "redis-server did not start again");
    }

    fn try_start_again(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--daemonize", "no", "--save", ""]);
        match self.fsync {
            "never" => command.args(["--appendonly", "no"]),
            fsync => command.args(["--appendonly", "yes", "--appendfsync", fsync]),
        };
        command.args(["--maxmemory-policy", "noeviction"]);
        command.args(["--port", &self.port.to_string(), "--dir"]).arg(self.folder.path());
        if self.cluster {
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
            command.args(["--cluster-port", &(self.port + 1).to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        for _ in 0..1_000 {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.try_say("PING").is_some_and(|answer| answer == "+PONG") {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends its process a signal.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Ends it: politely (SIGTERM), or at once (SIGKILL).
    pub fn end(&mut self, name: &str) {
        self.signal(name);
        self.child.take().unwrap().wait().unwrap();
    }

    /// Sends one command, and reads the answer.
    pub fn say(&self, command: &str) -> String {
        self.try_say(command).unwrap()
    }

    fn try_say(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line).ok()?;
        let line = line.trim_end();
        match line.strip_prefix('$').and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => {
                let mut text = vec![0; length];
                answer.read_exact(&mut text).ok()?;
                String::from_utf8(text).ok()
            }
            None => Some(line.to_owned()),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A stopped process is killed, too.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that is free now, and the one after it is, too.
pub fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < 60_000 && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

/// Waits until `holds` is true; fails after twenty seconds.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("after twenty seconds it is not so that {what}");
}
