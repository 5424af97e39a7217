//! The server under load: its address, and the rule that it is this machine unless said otherwise.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use axum::http::Uri;

/// A resolved server.
#[derive(Clone, Debug)]
pub struct Target {
    /// As it was given, without a trailing slash.
    pub url: String,
    /// The one address that every connection goes to.
    pub address: SocketAddr,
    /// The `Host` header; printable ASCII.
    pub host: String,
}

impl Target {
    /// Resolves `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// Not a plain HTTP origin, not resolvable, or not this machine while `allow_remote` is false: a load generator
    /// pointed at someone else's server by mistake is an attack.
    pub fn resolve(url: &str, allow_remote: bool) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("--target {url} is not a URL"))?;
        ensure!(uri.scheme_str() == Some("http"), "--target {url}: only http://HOST:PORT is supported");
        ensure!(uri.path() == "/" && uri.query().is_none(), "--target {url}: leave out the path");
        let authority = uri.authority().with_context(|| format!("--target {url} names no host"))?;
        let host = authority.to_string();
        let address =
            resolve_one(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80), allow_remote)?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), address, host })
    }
}

fn resolve_one(host: &str, port: u16, allow_remote: bool) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    // The socket API wants an IPv6 address without the brackets of a URL.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> =
        (bare, port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?.collect();
    if let Some(remote) = addresses.iter().find(|address| !address.ip().is_loopback())
        && !allow_remote
    {
        bail!(
            "{host} is {}, not this machine; say --allow-remote if that server is yours to load",
            remote.ip()
        );
    }
    // A name like localhost often gives ::1 first while servers listen on 127.0.0.1.
    let first_v4 = addresses.iter().find(|address| address.is_ipv4());
    first_v4.or(addresses.first()).copied().with_context(|| format!("{host} has no address"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn refuse(url: &str) -> String {
        format!("{:#}", Target::resolve(url, false).unwrap_err())
    }

    #[test]
    fn loopback_is_accepted_by_name_and_by_both_families() {
        for (url, address) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.8.8.8", "127.8.8.8:80"),
            ("http://[::1]:9/", "[::1]:9"),
            ("http://localhost:81", "127.0.0.1:81"),
        ] {
            assert_eq!(Target::resolve(url, false).unwrap().address, address.parse().unwrap(), "{url}");
        }
    }

    #[test]
    fn a_remote_target_needs_allow_remote() {
        for url in ["http://192.0.2.1:8080", "http://0.0.0.0:80", "http://[2001:db8::1]"] {
            assert!(refuse(url).contains("--allow-remote"), "{url}");
            assert!(Target::resolve(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn other_targets_than_http_origins_are_refused() {
        assert!(refuse("https://127.0.0.1").contains("only http://"));
        assert!(refuse("127.0.0.1:8080").contains("only http://"));
        assert!(refuse("http://127.0.0.1/recommend").contains("leave out the path"));
        assert!(refuse("http:// x").contains("not a URL"));
    }
}
