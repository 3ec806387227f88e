//! TypeScript types for policy authors: of custom resources, from their definitions (`definition`, `schema`, `names`,
//! `print`), and `@bylaw/sdk` itself as the npm package that editors and test runners find (`sdk`, `emit`).
//!
//! Definitions come from strangers: whatever a schema holds, the text made of it is valid TypeScript of bounded size.

mod comment;
mod definition;
mod emit;
mod error;
mod files;
mod names;
mod print;
mod schema;
mod sdk;

pub use definition::{Definition, definitions, from_cluster};
pub use error::TypesError;
pub use files::{Written, write_all};
pub use print::{Module, modules};
pub use sdk::{SDK_VERSION, sdk_package, snippets};
