//! Reads one HTTP/1.1 response at a time out of the bytes of a connection.
//!
//! Costs one copy of the bytes, and a second one of chunked bodies. The head is parsed by `httparse`.

use httparse::Status;

/// The longest response that is accepted, in bytes: an audience of 100,000 people has about 30 MB.
const MAX_BYTES: usize = 256 << 20;
/// More headers than any tested server sends.
const MAX_HEADERS: usize = 64;

/// The bytes are not an HTTP/1.1 response, or too many.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// The way in which the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Bytes of the body.
    Length(usize),
    /// The next chunk's size line starts at this byte of the buffer.
    Chunked { next: usize },
    /// The body ends when the connection is closed.
    UntilClose,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    keep_alive: bool,
    body_start: usize,
    framing: Framing,
}

/// The bytes of one response, complete or not.
#[derive(Default)]
pub struct ResponseReader {
    buffer: Vec<u8>,
    head: Option<Head>,
    /// The decoded chunks of a chunked body.
    chunks: Vec<u8>,
}

impl ResponseReader {
    /// Adds bytes of the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Clears the response, keeping the memory for the next one.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.chunks.clear();
        self.head = None;
    }

    /// True if the response is complete; `closed` is true if no further byte will come.
    ///
    /// # Errors
    /// The bytes are not HTTP/1.1, exceed [`MAX_BYTES`], or end before the response does.
    pub fn is_complete(&mut self, closed: bool) -> Result<bool, Malformed> {
        if self.buffer.len() > MAX_BYTES {
            return Err(Malformed);
        }
        if self.head.is_none() {
            self.head = parse_head(&self.buffer)?;
        }
        let complete = match self.head {
            None => false,
            Some(head) => self.is_body_complete(head, closed)?,
        };
        if closed && !complete { Err(Malformed) } else { Ok(complete) }
    }

    /// The status of a complete response; 0 before that.
    pub fn status(&self) -> u16 {
        self.head.map_or(0, |head| head.status)
    }

    /// True if the connection may be used again after a complete response.
    pub fn keep_alive(&self) -> bool {
        self.head.is_some_and(|head| head.keep_alive && head.framing != Framing::UntilClose)
    }

    /// The body of a complete response.
    pub fn body(&self) -> &[u8] {
        match self.head {
            None => &[],
            Some(Head { framing: Framing::Chunked { .. }, .. }) => &self.chunks,
            Some(Head { framing: Framing::Length(length), body_start, .. }) => {
                &self.buffer[body_start..body_start + length]
            }
            Some(Head { framing: Framing::UntilClose, body_start, .. }) => &self.buffer[body_start..],
        }
    }

    fn is_body_complete(&mut self, head: Head, closed: bool) -> Result<bool, Malformed> {
        match head.framing {
            Framing::Length(length) => Ok(self.buffer.len() >= head.body_start + length),
            Framing::UntilClose => Ok(closed),
            Framing::Chunked { next } => {
                let (next, complete) = self.decode_chunks(next)?;
                self.head = Some(Head { framing: Framing::Chunked { next }, ..head });
                Ok(complete)
            }
        }
    }

    /// Decodes the whole chunks from byte `next` on; returns the start of the first incomplete one, and true if the
    /// last chunk was found.
    fn decode_chunks(&mut self, mut next: usize) -> Result<(usize, bool), Malformed> {
        loop {
            let rest = &self.buffer[next..];
            let Status::Complete((line, size)) = httparse::parse_chunk_size(rest).map_err(|_| Malformed)?
            else {
                return Ok((next, false));
            };
            if size == 0 {
                let trailer = &rest[line..];
                let ended = trailer.starts_with(b"\r\n") || trailer.windows(4).any(|w| w == b"\r\n\r\n");
                return Ok((next, ended));
            }
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BYTES).ok_or(Malformed)?;
            let Some(chunk) = rest.get(line..line + size + 2) else { return Ok((next, false)) };
            self.chunks.extend_from_slice(&chunk[..size]);
            next += line + size + 2;
        }
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(body_start) = response.parse(buffer).map_err(|_| Malformed)? else {
        return Ok(None);
    };
    let status = response.code.ok_or(Malformed)?;
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    };
    let has = |name, value: &[u8]| header(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let framing = if matches!(status, 204 | 304) {
        Framing::Length(0)
    } else if has("transfer-encoding", b"chunked") {
        Framing::Chunked { next: body_start }
    } else if let Some(length) = header("content-length") {
        let length = std::str::from_utf8(length).ok().and_then(|length| length.trim().parse().ok());
        Framing::Length(length.filter(|length| *length <= MAX_BYTES).ok_or(Malformed)?)
    } else {
        Framing::UntilClose
    };
    let keep_alive = if response.version == Some(1) {
        !has("connection", b"close")
    } else {
        has("connection", b"keep-alive")
    };
    Ok(Some(Head { status, keep_alive, body_start, framing }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Feeds a response in pieces of every size; returns status, body and whether to keep the connection.
    fn read(response: &str, closes: bool) -> (u16, String, bool) {
        let mut results = Vec::new();
        for size in 1..=response.len() {
            let mut reader = ResponseReader::default();
            let mut pieces = response.as_bytes().chunks(size).peekable();
            while let Some(piece) = pieces.next() {
                reader.push(piece);
                let last = pieces.peek().is_none();
                assert_eq!(reader.is_complete(last && closes).unwrap(), last, "pieces of {size} bytes");
            }
            let body = String::from_utf8(reader.body().to_vec()).unwrap();
            results.push((reader.status(), body, reader.keep_alive()));
        }
        results.dedup();
        assert_eq!(results.len(), 1, "the size of pieces changes the result: {results:?}");
        results.remove(0)
    }

    #[test]
    fn bodies_are_read_by_length_by_chunk_and_to_the_end() {
        let sized = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
        assert_eq!(sized, (200, "hello".into(), true));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunked = read(&format!("{head}5\r\nhello\r\n6; x=y\r\n world\r\n0\r\n\r\n"), false);
        assert_eq!(chunked, (200, "hello world".into(), true));
        let trailer = read(&format!("{head}2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n"), false);
        assert_eq!(trailer, (200, "ab".into(), true));
        assert_eq!(read("HTTP/1.1 500 Oh\r\n\r\nto the end", true), (500, "to the end".into(), false));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n", false), (204, String::new(), true));
    }

    #[test]
    fn the_connection_is_kept_unless_the_server_closes_it() {
        let keeps = |version: &str, header: &str| {
            read(&format!("HTTP/{version} 200 OK\r\n{header}Content-Length: 0\r\n\r\n"), false).2
        };
        assert!(keeps("1.1", "") && keeps("1.0", "Connection: Keep-Alive\r\n"));
        assert!(!keeps("1.1", "connection: Close\r\n") && !keeps("1.0", ""));
    }

    #[test]
    fn a_malformed_or_truncated_response_is_an_error() {
        for (response, closed) in [
            ("nonsense\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", true),
            ("HTTP/1.1 200", true),
            ("", true),
        ] {
            let mut reader = ResponseReader::default();
            reader.push(response.as_bytes());
            assert_eq!(reader.is_complete(closed), Err(Malformed), "{response:?}");
        }
    }
}
