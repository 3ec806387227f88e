//! The time of reservations, and chance.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::book::Millis;

/// Tests have one that they turn themselves.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;

    /// Anything from 0 to 1.
    fn chance(&self) -> f64 {
        f64::from(u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }
}

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }
}
