//! Pre-flight: what the host would say of a tenant's object, asked while the tenant is still there to hear it. His `apply`
//! fails with the host's reason, where otherwise it would succeed and the object stay `Pending` for ever.
//!
//! `project` makes of his object the copy that the syncer would make; the host's policies are asked about that. What they say
//! goes through `words`, so that nobody reads a host's name or another tenant's. `copied` knows what is copied at all. The
//! host's own answer stays the one that counts. `denials` remembers those, for objects that a syncer sends again and again.

mod copied;
mod denials;
mod project;
mod words;

pub use copied::{Copied, Copies, is_foreseen};
pub use denials::{Attempt, Denials, Known, Print, print};
pub use project::project;
pub use words::Words;
