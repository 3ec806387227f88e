//! How source becomes something runnable, never on the request path: TypeScript and its imports to one strict
//! classic script with a source map, inline jsPolicy scripts, compressed bundles, and the lint that decides what may
//! share a realm.
//!
//! What every linked script is: the text of a classic script whose completion value is the module's namespace
//! object. It reads one global, `__bylaw_sdk`, the namespace that [`link_sdk`]'s own script evaluates to.

mod apart;
pub mod artifact;
mod closed;
mod compressed;
mod depth;
mod diagnostics;
mod flow;
mod global_object;
mod hash;
mod lexical;
mod lifetimes;
mod link;
mod lint;
mod lookup;
mod map;
mod modules;
mod near;
mod nesting;
pub mod npm;
mod origin;
mod owners;
mod resolve;
mod script;
mod sdk;
mod source;
mod sources;

pub(crate) use apart::apart;
pub use closed::{Closed, Open, closed};
pub use compressed::{BundleLimits, CompressedError, pack, unpack};
pub use diagnostics::{BundleError, Diagnostic, Place};
pub use hash::{bundle_hash, content_hash};
pub use link::{Language, Linked, SDK_GLOBAL, link_file, link_inline, link_inline_here, link_installed};
pub use lint::{ModuleState, module_state};
pub use map::{Mark, line_map, locate, map_sources, map_texts, marks, place_in, relocate, rename_sources};
pub use resolve::normalise;
pub(crate) use resolve::{Target, package_name, resolve};
pub use script::{WRAPPER_LINES, inline_script, inline_script_here, link_script};
pub use sdk::link_sdk;
pub(crate) use sdk::{SDK_SOURCES, sdk_sources};
pub use source::{DefaultUse, Import, MAX_SOURCE_BYTES, Scan, read, scan};
pub(crate) use sources::shown_path;
