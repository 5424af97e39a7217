//! Checks of every request before its route and its key: one host, one key, a body with one framing, and, on a server
//! without keys, no foreign web page behind it.
//!
//! A server without keys trusts everyone who reaches it. Any page that a person has open can reach it through their
//! browser: it can send commands (cross-site requests), or make the browser resolve the page's own name to the server's
//! address (DNS rebinding). Both can be seen in `Origin` and `Host`.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Method, Request, Version, header};

use crate::problem::{Code, Problem};

/// Names and origins that a server trusts.
#[derive(Debug, Default)]
pub struct Trusted {
    /// True if callers need a key; then `Origin` and `Host` prove nothing and are not checked.
    pub keyed: bool,
    /// True if the server listens on loopback only, so that `Host` can only be a name of loopback.
    pub loopback: bool,
    /// Further host names of the server, from the configuration.
    pub hosts: Vec<String>,
    /// Origins that the configuration allows.
    pub origins: Vec<String>,
}

/// Checks a request's head.
///
/// # Errors
/// `invalid_request`, `not_implemented` or `untrusted_origin`, with the cure.
pub fn screen<B>(request: &Request<B>, trusted: &Trusted) -> Result<(), Problem> {
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Problem::new(Code::InvalidRequest, "send exactly one `Host` header"));
    }
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(Problem::new(Code::InvalidRequest, "send exactly one `Authorization` header"));
    }
    let coding = headers.get_all(header::TRANSFER_ENCODING).iter();
    if !coding.into_iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        let detail = "the only `Transfer-Encoding` is `chunked`; compress a body by `Content-Encoding`";
        return Err(Problem::new(Code::NotImplemented, detail));
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if trusted.keyed || is_safe { Ok(()) } else { trusted.check(headers) }
}

impl Trusted {
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let host = headers.get(header::HOST).map(text);
        let known = |host: &String| is_loopback(host) || self.hosts.iter().any(|name| name == name_of(host));
        if self.loopback && !host.as_ref().is_none_or(known) {
            let detail = "a server without keys takes this `Host` only if `allowed_hosts` of its configuration names it";
            return Err(Problem::new(Code::UntrustedOrigin, detail));
        }
        let Some(origin) = headers.get(header::ORIGIN).map(text) else { return Ok(()) };
        let own = origin.split_once("://").map(|(_, authority)| authority.to_owned());
        if (own.is_some() && own == host) || self.origins.contains(&origin) {
            return Ok(());
        }
        let detail = "a server without keys takes commands from web pages only if `cors.origins` of its configuration \
                      names their origin";
        Err(Problem::new(Code::UntrustedOrigin, detail))
    }
}

/// The name or address in `host`, without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn code(trusted: &Trusted, method: Method, headers: &[(&str, &str)]) -> Option<Code> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        screen(&request.body(()).unwrap(), trusted).err().map(|problem| problem.code())
    }

    #[test]
    fn a_request_has_one_host_and_one_key() {
        let trusted = Trusted { keyed: true, ..Trusted::default() };
        let code = |headers: &[(&str, &str)]| code(&trusted, Method::GET, headers);
        assert_eq!(code(&[("host", "a")]), None);
        assert_eq!(code(&[]), Some(Code::InvalidRequest));
        assert_eq!(code(&[("host", "a"), ("host", "a")]), Some(Code::InvalidRequest));
        let two = [("host", "a"), ("authorization", "Bearer x"), ("authorization", "Bearer y")];
        assert_eq!(code(&two), Some(Code::InvalidRequest));
        assert_eq!(
            code(&[("host", "a"), ("transfer-encoding", "gzip, chunked")]),
            Some(Code::NotImplemented)
        );
        assert_eq!(code(&[("host", "a"), ("transfer-encoding", "chunked")]), None);
    }

    #[test]
    fn a_server_without_keys_takes_no_commands_of_foreign_pages() {
        let hosts = vec!["shop.internal".to_owned()];
        let origins = vec!["https://shop.example".to_owned()];
        let trusted = Trusted { keyed: false, loopback: true, hosts, origins };
        let post = |headers: &[(&str, &str)]| code(&trusted, Method::POST, headers);
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "shop.internal:80"] {
            assert_eq!(post(&[("host", host)]), None, "{host}");
        }
        for host in ["shop.example", "127.0.0.1.evil.example", "10.0.0.1:8080"] {
            assert_eq!(post(&[("host", host)]), Some(Code::UntrustedOrigin), "{host}");
        }
        let from = |origin| post(&[("host", "localhost:8080"), ("origin", origin)]);
        assert_eq!(from("http://localhost:8080"), None);
        assert_eq!(from("https://shop.example"), None);
        for origin in ["http://localhost:9090", "https://evil.example", "null"] {
            assert_eq!(from(origin), Some(Code::UntrustedOrigin), "{origin}");
        }
        let read = code(&trusted, Method::GET, &[("host", "shop.example"), ("origin", "null")]);
        assert_eq!(read, None, "reading is the browser's own rule");
    }
}
