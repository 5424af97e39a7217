//! One call as the bytes of its HTTP request, and the expected form of its answer.

use crate::target::Target;

/// The kind of a call; also its name in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallKind {
    Recommend,
    Visitor,
    Similar,
    Bundle,
    Audience,
    AudienceLines,
    Health,
    Floor,
}

impl CallKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recommend => "recommend",
            Self::Visitor => "visitor",
            Self::Similar => "similar",
            Self::Bundle => "bundle",
            Self::Audience => "audience",
            Self::AudienceLines => "audience_lines",
            Self::Health => "health",
            Self::Floor => "floor",
        }
    }
}

/// One request, ready to be written to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub kind: CallKind,
    /// Number of results it asks for; 0 if the answer is not a list.
    pub count: usize,
    /// The whole HTTP/1.1 request.
    pub request: Vec<u8>,
}

/// The headers that all calls of a run share.
#[derive(Clone, Debug)]
pub struct Headers(String);

impl Headers {
    /// `authorization` is the whole value of the header; it must be free of line breaks.
    pub fn new(target: &Target, authorization: Option<&str>) -> Self {
        let agent = concat!("qianmian-loadtest/", env!("CARGO_PKG_VERSION"));
        let authorization =
            authorization.map_or(String::new(), |value| format!("authorization: {value}\r\n"));
        Self(format!("host: {}\r\nuser-agent: {agent}\r\n{authorization}", target.host))
    }

    /// A GET request.
    pub fn get(&self, path_and_query: &str) -> Vec<u8> {
        format!("GET {path_and_query} HTTP/1.1\r\n{}\r\n", self.0).into_bytes()
    }

    /// A POST request with a JSON body; `accept` asks for another form of answer than JSON.
    pub fn post(&self, path: &str, accept: Option<&str>, body: &str) -> Vec<u8> {
        let accept = accept.map_or(String::new(), |accept| format!("accept: {accept}\r\n"));
        format!(
            "POST {path} HTTP/1.1\r\n{}{accept}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        )
        .into_bytes()
    }
}

/// Percent-encodes all characters except those unreserved in RFC 3986.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn requests_carry_host_key_and_length() {
        let target = Target::resolve("http://127.0.0.1:81", false).unwrap();
        let headers = Headers::new(&target, Some("Bearer k"));
        let post = String::from_utf8(headers.post("/similar", Some("text/plain"), "{\"é\":1}")).unwrap();
        let (head, body) = post.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "{\"é\":1}");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("POST /similar HTTP/1.1"));
        let lines: Vec<&str> = lines.collect();
        for line in
            ["host: 127.0.0.1:81", "authorization: Bearer k", "accept: text/plain", "content-length: 8"]
        {
            assert!(lines.contains(&line), "{line} is missing in {lines:?}");
        }
        let get = String::from_utf8(Headers::new(&target, None).get("/healthz")).unwrap();
        assert!(get.starts_with("GET /healthz HTTP/1.1\r\n") && get.ends_with("\r\n\r\n"), "{get}");
        assert!(!get.contains("authorization"));
    }

    #[test]
    fn any_id_becomes_a_valid_query() {
        assert_eq!(percent_encode(" a/b?&=#%+牙"), "%20a%2Fb%3F%26%3D%23%25%2B%E7%89%99");
    }
}
