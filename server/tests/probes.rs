//! Probes at an address of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use qianmian_server::config::Config;
use qianmian_server::serve::{Place, Server};

use crate::support::place;

/// The answer to a `GET`, or nothing within `patience`. Blocks the thread.
fn get(address: SocketAddr, path: &str, patience: Duration) -> Option<String> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).is_ok().then_some(answer)
}

/// The only thread of the server is this one, and it does nothing but wait for answers.
#[tokio::test]
async fn probes_are_answered_while_every_thread_is_busy() {
    let store = tempfile::tempdir().unwrap();
    let config = Config::parse("").unwrap();
    let place = Place { probes: Some("127.0.0.1:0".to_owned()), ..place(store.path()) };
    let server = Server::start(&config, &place).await.unwrap();
    let probes = server.address_of_probes().unwrap();
    let patience = Duration::from_secs(5);
    assert!(get(probes, "/healthz", patience).unwrap().starts_with("HTTP/1.1 200 "));
    assert!(get(probes, "/readyz", patience).unwrap().starts_with("HTTP/1.1 503 "));
    assert!(get(probes, "/metrics", patience).unwrap().contains("qianmian_"));
    assert!(get(probes, "/recommend?user_id=u1", patience).unwrap().starts_with("HTTP/1.1 404 "));
    assert_eq!(get(server.address(), "/healthz", Duration::from_millis(300)), None);
    server.stop().await;
    // The thread closes its listener a moment after the server has stopped.
    let is_closed = || TcpStream::connect_timeout(&probes, Duration::from_millis(500)).is_err();
    let closes = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_closed()
    });
    assert!(closes, "the thread of probes ends with the server");
}
