//! A future whose panic is a value.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ends with `None` if `work` panics. The panic itself is reported by the panic hook. `work` must not be polled again
/// after that, and whatever it shared must stay valid: its locks recover from poisoning.
pub struct Caught<'f, F> {
    work: Pin<&'f mut F>,
}

impl<'f, F> Caught<'f, F> {
    /// `work`, watched.
    pub fn new(work: Pin<&'f mut F>) -> Self {
        Self { work }
    }
}

impl<F: Future> Future for Caught<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_value() {
        let work = pin!(async {
            if std::hint::black_box(true) {
                panic!("on purpose")
            }
        });
        assert!(Caught::new(work).await.is_none());
        let work = pin!(async { 7 });
        assert_eq!(Caught::new(work).await, Some(7));
    }
}
