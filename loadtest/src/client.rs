//! One kept-alive HTTP/1.1 connection that sends one call at a time and reconnects by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::scenario::Call;
use crate::target::Target;

/// What every connection of a run sends alike.
pub struct ClientOptions {
    pub target: Target,
    /// The whole `Authorization` header, marked sensitive.
    pub authorization: Option<HeaderValue>,
    /// How long a call may take from being sent (connecting included) to the end of its answer.
    pub timeout: Duration,
}

/// An answer, whatever its status.
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection could be opened.
    Connect,
    /// No whole answer came in time; the connection was dropped.
    Timeout,
    /// The connection broke before the whole answer was there.
    Broken,
    /// The call could not be written as HTTP.
    Unsendable,
    /// Only in reports: an answer with a 2xx status was not a JSON object.
    NotJson,
}

/// One connection; opened when it is first needed.
pub struct Connection {
    options: Arc<ClientOptions>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(options: Arc<ClientOptions>) -> Self {
        Self { options, sender: None }
    }

    /// Opens the connection if it is not open.
    ///
    /// # Errors
    /// The reason that the operating system or the handshake gave.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_ok()
        {
            return Ok(());
        }
        let stream = TcpStream::connect(self.options.target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its error is seen by the call that it breaks; an idle connection may close silently.
        tokio::spawn(connection);
        self.sender = Some(sender);
        Ok(())
    }

    /// Sends a call and reads the whole answer. After a failure the next call reconnects.
    pub async fn exchange(&mut self, call: Call) -> Result<Answer, Failure> {
        let timeout = self.options.timeout;
        let outcome =
            tokio::time::timeout(timeout, self.attempt(call)).await.unwrap_or(Err(Failure::Timeout));
        if outcome.is_err() {
            self.sender = None;
        }
        outcome
    }

    async fn attempt(&mut self, call: Call) -> Result<Answer, Failure> {
        let request = self.options.request(call).map_err(|_| Failure::Unsendable)?;
        self.open().await.map_err(|_| Failure::Connect)?;
        let sender = self.sender.as_mut().ok_or(Failure::Connect)?;
        let response = sender.send_request(request).await.map_err(|_| Failure::Broken)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|_| Failure::Broken)?.to_bytes();
        Ok(Answer { status, body })
    }
}

impl ClientOptions {
    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder().uri(call.path_and_query).header(HOST, &self.target.host);
        request = request.header(USER_AGENT, concat!("qianmian-loadtest/", env!("CARGO_PKG_VERSION")));
        if call.method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.method(call.method).body(Full::new(call.body))
    }
}
