//! Learns from order history and writes an artifact.
//!
//! | module | contents |
//! |---|---|
//! | [`config`] | the TOML that names the tables and the choices |
//! | [`orders`] | files in, cleaned lines out, every row accounted for |
//! | [`dataset`] | orders and catalog in one dense vocabulary |
//! | [`external`] | models learned elsewhere, in that vocabulary |
//! | [`metrics`] | ranking metrics and the bootstrap |
//! | [`learn`] | the learners, one per file |
//! | [`train`] | the order of the stages |
//! | [`evaluate`] | time split, baselines, metrics |
//! | [`gate`] | the gate before a publish |
//! | [`tune`] | searches the parameters that matter, on the last month |
//! | [`predict`] | batch inference: keys in, ranked rows out, by the code that serves |
//! | [`demo_data`] | a realistic shop, generated from a seed |
//! | [`progress`] | numbered stages on a terminal or as JSON lines |
//! | [`commands`] | the command line |

pub mod commands;
pub mod config;
pub mod dataset;
pub mod demo_data;
pub mod evaluate;
pub mod external;
pub mod gate;
pub mod learn;
pub mod metrics;
pub mod orders;
pub mod predict;
pub mod progress;
pub mod train;
pub mod tune;
