//! Bundles as they are kept and handed on: one file that holds the script, its source map, what its policies are and
//! which packages they came from, under one content hash that can be signed.
//!
//! ```text
//! // bylaw-bundle/v1 sha256:<content hash>            the hash of all that follows the signatures
//! // signature ed25519 <key id> <base64>              none or some; of the line above, without its `// `
//! <the script>
//! //# bylaw={"engine":…,"policies":[…],"lock":{…}}    what is known of it
//! //# sourceMappingURL=data:application/json;…        its map, for every tool that reads maps
//! ```
//!
//! The same bytes travel as a `JsPolicyBundle` (gzip, base64) and as the layer of an OCI artifact.

mod file;
mod layout;
mod record;
mod sign;
mod store;

use std::path::PathBuf;

pub use file::{Artifact, MAX_BYTES, is_bundle, is_bundle_text};
pub use layout::{ARTIFACT_TYPE, LAYER_TYPE, is_layout, layers, write_layout};
pub use record::{PolicyRecord, Record};
pub use sign::{PublicKey, Signature, SigningKey};
pub use store::write;

/// Why something is no bundle, or not the one it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("cannot be written: {0}")]
    Unwritable(String),
    #[error("is no bundle: {0}; `bylaw bundle POLICY -o bundle.js` makes one")]
    NotABundle(String),
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    #[error(
        "is not what it was when it was made: its content has the hash {actual}, and it says {stated}; get it anew"
    )]
    Changed { stated: String, actual: String },
    #[error("is damaged: {0}")]
    Damaged(String),
    #[error("{path} is no OCI layout with a bundle in it: {reason}")]
    Layout { path: PathBuf, reason: String },
    #[error("{0}")]
    Key(String),
}
