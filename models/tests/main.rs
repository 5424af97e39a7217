//! Tests of the whole crate, in one binary.

mod architecture;
mod damage;
mod expressions;
mod further_sources;
mod golden;
mod overlay;
mod pages;
mod pipeline;
mod record;
mod recorded_answers;
mod rules;
mod support;
