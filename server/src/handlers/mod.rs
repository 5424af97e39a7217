//! The calls, one file per URL. Every handler takes the shop's snapshot once, calls `models`, and serializes the answer
//! from the snapshot's own strings.

pub mod answer;
pub mod audience;
pub mod bundle;
pub mod card;
pub mod consent;
pub mod console;
pub mod docs;
pub mod events;
pub mod halls;
pub mod health;
pub mod identities;
pub mod items;
pub mod key;
pub mod marks;
pub mod models;
mod page;
pub mod pages;
pub mod person;
pub mod recommend;
mod revisions;
pub mod rooms;
mod rows;
pub mod scenes;
pub mod similar;
pub mod steering;
pub mod users;
