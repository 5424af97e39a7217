//! What an artifact holds and how to query it.
