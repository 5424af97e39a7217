//! The shared core of Qianmian (千面): what an artifact holds and how to ask it.
//!
//! The flow is five nouns: an [`artifact`](storage::artifact) on disk is opened as a [`snapshot`] in
//! memory; a [`query`](recommend::query) gathers candidates from it and becomes a slate. The same code answers in
//! the server and is measured in the trainer. Everything here is synchronous, pure and deterministic: no
//! clock, no network, no environment.
//!
//! | folder or file | what it is |
//! |---|---|
//! | [`ids`] | outside id <-> dense index |
//! | [`storage`] | one mapped section; one version; one shop's versions |
//! | [`kernels`] | dot products, the best of many, tree ensembles |
//! | [`index`] | one index a file: its columns, its reader, its queries |
//! | [`snapshot`] | all indexes of one artifact, opened |
//! | [`recommend`] | people -> items: sources, filter, rank |
//! | [`audience`] | items -> people, the mirror |
//! | [`similar`], [`bundle`] | items -> items |

#![warn(missing_docs)]

pub mod audience;
pub mod bundle;
pub mod error;
pub mod ids;
pub mod index;
pub mod kernels;
pub mod recommend;
pub mod similar;
pub mod snapshot;
pub mod storage;
