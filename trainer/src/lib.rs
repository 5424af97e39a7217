//! Learns from order history and writes an artifact.

pub mod config;
pub mod demo_data;
pub mod orders;
