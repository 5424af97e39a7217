//! Learns from order history and writes an artifact.

pub mod config;
pub mod dataset;
pub mod demo_data;
pub mod learn;
pub mod orders;
