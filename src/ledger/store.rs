//! Where books are kept that replicas share: each is read with its version, and written only over the version it was read
//! with.

use futures::future::BoxFuture;

use super::book::Book;

/// A book as it was read.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// `None` where there is no such book yet.
    pub version: Option<String>,
    pub book: Book,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else wrote it since it was read.
    #[error("it was changed by somebody else")]
    Conflict,
    #[error("the kind is not installed")]
    NotInstalled,
    /// Whether it was written is not known.
    #[error("{0}")]
    Unreachable(String),
}

/// Compare-and-swap, as the API server has it by `resourceVersion`.
pub trait Store: Send + Sync + 'static {
    fn read(&self, shard: usize) -> BoxFuture<'_, Result<Stored, StoreError>>;

    /// Writes a book over this version of it, and answers with the new one.
    fn write<'a>(
        &'a self,
        shard: usize,
        over: Option<&'a str>,
        book: &'a Book,
    ) -> BoxFuture<'a, Result<String, StoreError>>;
}
