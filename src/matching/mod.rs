//! Which policies a review concerns: an immutable index of rules with the semantics of the API server's webhooks.
//!
//! `index` finds candidates by resource name; `matcher` tests one policy: its `rule`, `users`, namespace and object
//! `selector`s, and CEL `conditions`, in that order. What several policies ask of one review is worked out once, in `facts`.

mod activation;
mod conditions;
mod cost;
mod error;
mod expression;
mod facts;
mod index;
mod labels;
mod matcher;
mod namespaces;
mod overrides;
mod rule;
mod selector;
mod selector_text;
mod syntax;
mod tenants;
mod users;

pub use error::MatchError;
pub use index::{Explanation, Index, Matches, Phase};
pub(crate) use labels::read as read_labels;
pub use matcher::Matcher;
pub use namespaces::{NAME_LABEL, NamespaceLabels};
pub use overrides::Overrides;
pub use rule::WORKLOADS;
pub use selector::{Labels, Selector};
pub use tenants::{Around, Nobody, Whose};
pub use users::UserPatterns;
