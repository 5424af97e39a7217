//! Learns from order history and writes an artifact.
//!
//! | module | what it does |
//! |---|---|
//! | [`config`] | the TOML that names the tables and the choices |
//! | [`orders`] | files in, cleaned lines out, every row accounted for |
//! | [`dataset`] | orders and catalogue in one dense vocabulary |
//! | [`external`] | what was learned elsewhere, in that vocabulary |
//! | [`learn`] | the learners, one a file |
//! | [`train`] | the order of the stages |
//! | [`evaluate`] | time split, baselines, metrics |
//! | [`gate`] | whether a version may be served |
//! | [`tune`] | searches the parameters that matter, on the last month |
//! | [`predict`] | batch inference: keys in, ranked rows out, by the code that serves |
//! | [`demo_data`] | a lifelike shop from a seed |
//! | [`commands`] | the command line |

pub mod commands;
pub mod config;
pub mod dataset;
pub mod demo_data;
pub mod evaluate;
pub mod external;
pub mod gate;
pub mod learn;
pub mod orders;
pub mod predict;
pub mod progress;
pub mod train;
pub mod tune;
