//! Why a mutation could not be turned into a patch.

use thiserror::Error;

use crate::review::clip::quoted;

/// The text names paths, and of the object's values none but an integer that would be lost.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatchError {
    #[error("the {what} is not valid JSON: {message}")]
    NotJson { what: &'static str, message: String },
    #[error("the mutated object must be a JSON object")]
    NotAnObject,
    #[error("the mutation was made on another object than the one under review, at {}", quoted(path))]
    WrongBase { path: String },
    #[error("the patch has more than {limit} operations: change less, or change it in fewer places")]
    TooManyOps { limit: usize },
    #[error("the patch holds more than {limit} bytes: change less")]
    TooLarge { limit: usize },
    #[error(
        "the change at {} would write {number} for the integer {original} of the object, which JavaScript can not \
         hold: change single fields, and leave the value with this integer where it is",
        quoted(path)
    )]
    UnsafeInteger { path: String, number: String, original: String },
    #[error("the patch does not fit the document at {}", quoted(path))]
    NoSuchPath { path: String },
}
