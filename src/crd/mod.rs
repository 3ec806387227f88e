//! Our own kinds: their definitions, and what is checked of an object of one before it is stored.
//!
//! What a schema or CEL can say stands in the definitions (`charts/bylaw/crds`), and holds while nobody serves. `check`
//! says the rest: whether the code of a policy can be parsed, and everything once more for clusters that still have the
//! definitions of jsPolicy, which say next to nothing. `admission` is `POST /crds`.

mod admission;
mod check;
mod definitions;
mod webhook;

pub use admission::judge;
pub use definitions::{GROUPS, definitions};
pub use webhook::webhook;
