//! A lifelike shop, written from a seed.
