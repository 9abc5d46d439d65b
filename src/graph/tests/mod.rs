//! Rules and exporters, tested through a small language: see [`case::run`].

mod all_pairs;
mod case;
mod exports;
mod filters;
mod finish_rules;
mod rules;
