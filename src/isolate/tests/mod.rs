//! What policies see, what becomes of what they do, and what does not.

mod clock;
mod closed;
mod closed_corpus;
mod codegen;
mod host;
mod hostile;
mod intrinsics;
mod kills;
mod lockdown;
mod memory;
mod mutations;
mod places;
mod promises;
mod reconcile;
mod scripts;
mod symbols;
mod verdicts;
mod workloads;
