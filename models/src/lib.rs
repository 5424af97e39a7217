//! The shared core of Qianmian (千面): the contents of an artifact, and the queries over it.
//!
//! An [artifact](storage::artifact) on disk is opened as a [`snapshot`] in memory, which is immutable. A snapshot, an
//! [`overlay`] of changes since training, a [`scene`] and a moment form a [`view`]; every answer is a pure function of
//! a view and a query. The same code answers in the server and is measured in the trainer. Everything here is
//! synchronous and deterministic: no clock, no network, no environment, no threads.
//!
//! | folder or file | content |
//! |---|---|
//! | [`ids`] | external id <-> dense index |
//! | [`storage`] | one mapped section; one version; one shop's versions |
//! | [`kernels`] | dot products, top k, tree ensembles |
//! | [`index`] | one index per file: its columns, its reader, its queries |
//! | [`source`], [`blend`] | the candidate sources and their weights |
//! | [`snapshot`] | all indexes of one artifact, opened |
//! | [`overlay`], [`items`], [`scene`], [`view`] | the inputs of an answer |
//! | [`rules`] | expressions over items and requests, and their effects on a slate |
//! | [`recommend`] | people -> items |
//! | [`audience`] | items -> people, the mirror |
//! | [`similar`], [`bundle`] | items -> items |
//! | [`warm`] | the first answers of a new snapshot |

#![warn(missing_docs)]

pub mod audience;
pub mod blend;
pub mod bundle;
pub mod consent;
pub mod error;
pub mod ids;
pub mod index;
pub mod items;
pub mod kernels;
pub mod overlay;
pub mod recommend;
pub mod rules;
pub mod scene;
pub mod similar;
pub mod snapshot;
pub mod source;
pub mod storage;
pub mod view;
pub mod warm;
