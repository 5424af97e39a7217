//! One kept-alive HTTP/1.1 connection on a non-blocking socket. It carries one call at a time and reopens itself after
//! it was closed.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use serde::Serialize;

use super::response::ResponseReader;

/// The reason for which a call has no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection could be opened.
    Connect,
    /// No complete answer came in time; the connection was dropped.
    Timeout,
    /// The connection broke, or sent something else than HTTP, before the answer was complete.
    Broken,
}

/// One connection of a run.
pub struct Connection {
    address: SocketAddr,
    token: Token,
    stream: Option<TcpStream>,
    /// True if the socket has carried a byte; a later failure is not one of connecting.
    is_open: bool,
    /// Bytes still to be written.
    unwritten: Vec<u8>,
    reader: ResponseReader,
}

impl Connection {
    /// Opens a connection and waits until it is open.
    ///
    /// # Errors
    /// The operating system's reason.
    pub fn open(
        address: SocketAddr,
        timeout: Duration,
        token: Token,
        registry: &Registry,
    ) -> std::io::Result<Self> {
        let stream = std::net::TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nonblocking(true)?;
        let mut connection = Self {
            address,
            token,
            stream: None,
            is_open: true,
            unwritten: Vec::new(),
            reader: ResponseReader::default(),
        };
        connection.register(TcpStream::from_std(stream), registry)?;
        Ok(connection)
    }

    /// Starts a call; the answer comes by [`Connection::advance`].
    ///
    /// # Errors
    /// The connection cannot be opened or broke; it is closed then.
    pub fn send(&mut self, request: &[u8], registry: &Registry) -> Result<(), Failure> {
        self.reader.clear();
        self.unwritten.clear();
        self.unwritten.extend_from_slice(request);
        if self.stream.is_none() {
            self.is_open = false;
            let opened = TcpStream::connect(self.address).and_then(|stream| self.register(stream, registry));
            opened.map_err(|_| self.fail(Failure::Connect))?;
        }
        self.write()
    }

    /// Reads and writes what an event allows; returns true when the answer of the call is complete.
    /// An idle connection that the server closed is closed here, too.
    ///
    /// # Errors
    /// The connection broke or the answer is not HTTP; it is closed then.
    pub fn advance(&mut self, event: &Event, scratch: &mut [u8]) -> Result<bool, Failure> {
        if event.is_writable() && !self.unwritten.is_empty() {
            self.write()?;
        }
        if !event.is_readable() && !event.is_read_closed() && !event.is_error() {
            return Ok(false);
        }
        let closed = self.read(event, scratch)?;
        let complete = self.reader.is_complete(closed).map_err(|_| self.fail(Failure::Broken))?;
        if closed || (complete && !self.reader.keep_alive()) {
            self.close();
        }
        Ok(complete)
    }

    /// The status and the body of the answer that [`Connection::advance`] completed.
    pub fn answer(&self) -> (u16, &[u8]) {
        (self.reader.status(), self.reader.body())
    }

    /// Closes the socket; the next call opens another.
    pub fn close(&mut self) {
        self.stream = None;
        self.unwritten.clear();
    }

    fn register(&mut self, mut stream: TcpStream, registry: &Registry) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        self.stream = Some(stream);
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else { return Err(Failure::Broken) };
        while !self.unwritten.is_empty() {
            match stream.write(&self.unwritten) {
                Ok(0) => return Err(self.fail(Failure::Broken)),
                Ok(written) => {
                    self.is_open = true;
                    self.unwritten.drain(..written);
                }
                Err(error) if is_pending(error.kind()) => return Ok(()),
                Err(_) => return Err(self.fail(Failure::Broken)),
            }
        }
        Ok(())
    }

    /// Reads all available bytes; returns true if the server closed the connection.
    fn read(&mut self, event: &Event, scratch: &mut [u8]) -> Result<bool, Failure> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        loop {
            match stream.read(scratch) {
                Ok(0) => return Ok(true),
                Ok(n) => {
                    self.reader.push(&scratch[..n]);
                    // A short read empties the socket: the next bytes raise an event of their own.
                    if n < scratch.len() && !event.is_read_closed() {
                        return Ok(false);
                    }
                }
                Err(error) if is_pending(error.kind()) => return Ok(false),
                Err(_) => return Err(self.fail(Failure::Broken)),
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Failure {
        self.close();
        if self.is_open { failure } else { Failure::Connect }
    }
}

fn is_pending(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}
