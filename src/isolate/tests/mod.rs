//! What policies see, what becomes of what they do, and what does not.

mod host;
mod hostile;
mod kills;
mod lockdown;
mod memory;
mod mutations;
mod places;
mod promises;
mod scripts;
mod verdicts;
mod workloads;
