//! The shared core of Qianmian (千面): what an artifact holds and how to ask it.
//!
//! The flow is five nouns: an [`artifact`] on disk is opened as a [`snapshot`] in
//! memory; a [`query`] gathers candidates from it and becomes a slate. The same code answers in
//! the server and is measured in the trainer. Everything here is synchronous, pure and deterministic: no
//! clock, no network, no environment.
//!
//! | file | what it is |
//! |---|---|
//! | [`ids`] | outside id <-> dense index |
//! | [`section`], [`artifact`], [`store`] | one mapped file; one version; one shop's versions |
//! | [`index`] | co-purchase, bundles, vectors, graph, purchases, popularity, catalogue, profiles |
//! | [`snapshot`] | all indexes of one artifact, opened |
//! | [`candidates`], [`retrieval`], [`filtering`], [`ranking`], [`pipeline`] | people -> goods |
//! | [`audience`] | goods -> people, the mirror |
//! | [`similar`], [`bundle`] | goods -> goods |
//! | [`simd`], [`topk`] | the two kernels under them |

#![warn(missing_docs)]

pub mod artifact;
pub mod audience;
pub mod bundle;
pub mod candidates;
pub mod error;
pub mod features;
pub mod filtering;
pub mod ids;
pub mod index;
pub mod pipeline;
pub mod query;
pub mod ranking;
pub mod retrieval;
pub mod section;
pub mod simd;
pub mod similar;
pub mod snapshot;
pub mod store;
pub mod topk;
pub mod trees;
