//! A seeded simulator: the real engine and the real recipes in virtual time, against an outside with the real services'
//! quirks, with faults, and with a process that dies at effect boundaries and starts again from its journal.
//!
//! One seed is one world ([`plan`], [`playbooks`]); [`run`] lives it, life by life ([`life`], [`journal`], [`ports`]); what the
//! outside remembers ([`outside`]) and what the journal says is judged by [`checks`]. The same seed gives the same world:
//! `SIM_SEED=7 cargo test --test it sim::tests::one_seed -- --nocapture` prints what happened in it.

mod checks;
mod dice;
mod journal;
mod life;
mod outside;
mod plan;
mod playbooks;
mod ports;
mod report;
mod run;
mod tests;
mod trace;
