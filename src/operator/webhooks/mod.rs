//! Webhook configurations: rendered from the policies, kept in the cluster as they should be, and jsPolicy's taken away
//! once ours stand.
//!
//! ```text
//! render    what there should be            observed  what there is
//! rules     what policies match
//! tenancy   what keeps tenants apart        stands    whether that does what it should
//! keeper    makes it so, and tells          takeover  what jsPolicy left
//! write     as the leader alone             pace      and not too often
//! drawn     what there should be, until the     way       whether it leads to a Bylaw that answers
//!           policies are others
//! ```

mod drawn;
mod keeper;
mod observed;
mod pace;
pub mod render;
mod rules;
mod stands;
mod takeover;
mod tenancy;
mod way;
mod write;

pub use keeper::Registry;
pub(super) use keeper::{Keeper, Sources};
pub(super) use observed::Observed;
pub(super) use pace::Pace;
pub use render::{Desired, Phase, Registration, Shape, configurations, inside};
pub use stands::{corrections, is_clean, stands};
pub(super) use way::Way;
pub(super) use write::Write;
pub use write::take_away;
