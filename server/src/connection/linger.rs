//! Closing without losing the answer: a client that sends a large body before it reads must still get its 413.
//!
//! A socket that is closed while bytes of the client are unread is reset, and the reset discards the answer in transit.
//! So the write half is closed first, and further bytes are read and dropped, within bounds.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Activity;

/// Longest time of dropping bytes that a client still sends.
const LONGEST: Duration = Duration::from_secs(5);
/// Most bytes to drop.
const MOST_BYTES: usize = 256 << 20;

/// A stream that reads the remaining bytes when it is shut down.
pub struct Linger<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Set once the write half is closed: the deadline, and the number of bytes dropped.
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Linger<S> {
    pub fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, closing: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Linger<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Linger<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.activity.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let (deadline, dropped) = this.closing.get_or_insert_with(|| (Box::pin(sleep(LONGEST)), 0));
        let mut scratch = [0; 16 << 10];
        while *dropped < MOST_BYTES && deadline.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *dropped += buffer.filled().len(),
                // The client has read its answer and closed, or went away.
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_the_client_still_sends_is_read_before_closing() {
        let (near, mut far) = tokio::io::duplex(8);
        let activity = Arc::new(Activity::default());
        activity.set_unread(true);
        let mut near = Linger::new(near, activity);
        let client = tokio::spawn(async move {
            far.write_all(&[1; 1_000]).await.unwrap();
            let mut answer = String::new();
            far.read_to_string(&mut answer).await.unwrap();
            answer
        });
        near.write_all(b"413").await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(client.await.unwrap(), "413");
    }
}
