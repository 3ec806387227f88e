//! What others hold already, as a test case says it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value};

use super::ask::LONGEST_TTL;
use super::book::{Book, Entry, Millis};
use super::host_name::HostName;
use super::quantity::Quantity;

/// One reservation: amounts, or names and whose they are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    key: String,
    #[serde(default)]
    amounts: BTreeMap<String, Amount>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    owner: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "an amount is neither a number nor a quantity such as \"1.5Gi\"")]
enum Amount {
    Number(Number),
    Text(String),
}

impl Seed {
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let seed: Self = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        seed.amounts()?;
        for name in &seed.names {
            HostName::read(name).map_err(|error| error.to_string())?;
        }
        if seed.names.is_empty() != seed.owner.is_empty() {
            return Err("`names` and `owner` go together".to_owned());
        }
        if seed.names.is_empty() == seed.amounts.is_empty() {
            return Err("give either `amounts` or `names`".to_owned());
        }
        Ok(seed)
    }

    fn amounts(&self) -> Result<BTreeMap<String, Quantity>, String> {
        let read = |(resource, amount): (&String, &Amount)| {
            let text = match amount {
                Amount::Number(number) => number.to_string(),
                Amount::Text(text) => text.clone(),
            };
            let amount = text.parse::<Quantity>().map_err(|error| format!("amounts.{resource}: {error}"))?;
            Ok((resource.clone(), amount))
        };
        self.amounts.iter().map(read).collect()
    }
}

/// A book in which they stand for as long as reservations may.
pub(super) fn book(seeds: &[Seed], now: Millis) -> Book {
    let expires = now + u64::try_from(LONGEST_TTL.as_millis()).unwrap_or_default();
    let entry = |(number, seed): (usize, &Seed)| Entry {
        key: seed.key.clone(),
        request: format!("seed {number}"),
        amounts: seed.amounts().unwrap_or_default(),
        names: seed.names.clone(),
        owner: seed.owner.clone(),
        expires,
        ..Entry::default()
    };
    Book { reservations: seeds.iter().enumerate().map(entry).collect() }
}
