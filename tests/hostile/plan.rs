//! How much of it: the environment's choice, and chance that can be repeated.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `cargo xtask hostile` hands on.
pub struct Plan {
    pub seed: u64,
    /// Rounds under background load; without it, one round without.
    pub rounds: Option<usize>,
    /// How long the soak goes on.
    pub soak: Duration,
    /// Only attacks whose name contains this, or one of these, by commas.
    only: Option<String>,
}

impl Plan {
    pub fn of_environment() -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
        };
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
        Self {
            seed: number("BYLAW_TEST_SEED").unwrap_or_else(clock),
            rounds: number("BYLAW_TEST_ROUNDS").map(|rounds| usize::try_from(rounds).unwrap()),
            soak: Duration::from_secs(60 * number("BYLAW_TEST_MINUTES").unwrap_or(1)),
            only: env::var("BYLAW_TEST_ONLY").ok(),
        }
    }

    /// Whether the attack of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|part| name.contains(part)))
    }
}

/// xorshift64*: the same numbers for the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        chance.below(1);
        chance
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        usize::try_from((mixed >> 32) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// In a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[test]
fn chance_can_be_repeated() {
    let order = |seed| {
        let mut items: Vec<u32> = (0..50).collect();
        Chance::new(seed).shuffle(&mut items);
        items
    };
    assert_eq!(order(7), order(7));
    assert_ne!(order(7), order(8));
    let mut sorted = order(7);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
}
