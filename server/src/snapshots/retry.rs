//! The time at which a refused version is tried again.

use std::time::{Duration, Instant};

/// Pause before the first retry; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause: each attempt at a large model costs seconds of a processor.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The next attempt at a refused version.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pause: Duration,
    at: Instant,
    /// Fingerprint of the version's folder before the last attempt.
    content: u64,
}

impl Retry {
    /// The attempt after the first refusal.
    pub fn first(content: u64) -> Self {
        Self { pause: FIRST_PAUSE, at: Instant::now() + FIRST_PAUSE, content }
    }

    /// The attempt after a further refusal.
    pub fn next(self, content: u64) -> Self {
        // A folder that changes is being copied: it may be complete at the next check.
        let pause = if content == self.content { (2 * self.pause).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
        Self { pause, at: Instant::now() + pause, content }
    }

    /// True if it is time, or the folder changed since the last attempt.
    pub fn is_due(&self, content: u64) -> bool {
        content != self.content || Instant::now() >= self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_folder_changes() {
        let retry = Retry::first(1);
        assert!(!retry.is_due(1) && retry.is_due(2));
        let later = (0..10).fold(retry, |retry, _| retry.next(1));
        assert_eq!(later.pause, LONGEST_PAUSE);
        assert_eq!(later.next(2).pause, FIRST_PAUSE);
    }
}
