//! The stream under one connection: handles clients that stop reading, stop sending, or send an unreadable head, which
//! hyper leaves open.
//!
//! A stream is `Stall` over `EarlyErrors` over `Linger` over the socket; its layers and its requests share an
//! [`Activity`].

mod early_errors;
mod linger;
mod stall;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::app::App;
use early_errors::EarlyErrors;
use linger::Linger;
use stall::Stall;

/// The stream of a connection.
pub type Stream<S> = Stall<EarlyErrors<Linger<S>>>;

/// `socket` as the stream of a connection; a write without progress fails after `patience`.
pub fn stream<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    patience: Duration,
    app: Arc<App>,
    activity: Arc<Activity>,
) -> Stream<S> {
    Stall::new(EarlyErrors::new(Linger::new(socket, Arc::clone(&activity)), app), patience, activity)
}

/// The activity of a connection.
#[derive(Debug, Default)]
pub struct Activity {
    /// Requests whose answer is not written yet.
    requests: AtomicUsize,
    /// True if a write waits for the client.
    blocked: AtomicBool,
    /// True if the client may still be sending a body that will not be read.
    unread: AtomicBool,
}

/// A request being answered; dropped with the last byte of its answer.
#[derive(Debug)]
pub struct Answering(Arc<Activity>);

impl Activity {
    /// Records that a request was read.
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Records `unread`: true if the answer was given before the request's body was read.
    pub fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    /// True if no request is being answered: the client has sent nothing, or half a head.
    pub fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.blocked.load(Ordering::Relaxed)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}
