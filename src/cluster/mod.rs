//! The objects a policy may ask about: from an inventory on disk, or from the API server through caches.
//!
//! `kind` names them, `object` is one of them as text, `store` keeps many, `inventory` fills a store from files and
//! `reflect` from a watch. `server` speaks to the API server and `discovery` finds its paths; `reader` picks between memory and
//! server. `listeners` are told of what a watch brings. `survey` reads a whole cluster once. `accounts` asks as
//! somebody else than Bylaw. What a policy is *allowed* to ask is not decided here but in `crate::host`.

mod accounts;
mod client;
mod discovery;
pub mod documents;
mod error;
mod events;
mod exceptions;
mod inventory;
mod kind;
mod limits;
mod listeners;
mod namespaces;
mod object;
mod outage;
mod reader;
mod reflect;
mod server;
mod store;
mod survey;

pub use accounts::Accounts;
pub use client::{Connected, Connection, bounded_client, connect, connect_bare_too, connect_to_context};
pub use error::ClusterError;
pub(crate) use events::next_event;
pub use exceptions::{ExceptionWatch, watch_exceptions};
pub use inventory::Inventory;
pub use kind::{Kind, path_segment};
pub use limits::CacheLimits;
pub use listeners::Listener;
pub use namespaces::{ClusterNamespaces, OfflineNamespaces};
pub use object::{Labels, StoredObject};
pub(crate) use outage::Outage;
pub use reader::{CacheMode, Cluster, ListQuery, Peek, Write};
pub use reflect::{Followed, Trouble};
pub use store::{KindStore, join};
pub use survey::{Listed, Pages, Served, Survey};
