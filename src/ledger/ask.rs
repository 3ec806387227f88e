//! What a policy asks the ledger: the arguments of `quota.reserve` and `quota.claim`, hostile until read here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::LedgerError;
use super::host_name::HostName;
use super::identity::{Identity, ObjectRef};
use super::quantity::Quantity;

/// How long a reservation counts whose object never appears. An API server asks webhooks for 30 seconds at most before it
/// stores an object; clocks of replicas may go wrong by the rest.
const USUAL_TTL: Duration = Duration::from_mins(1);
pub(super) const LONGEST_TTL: Duration = Duration::from_hours(1);

const LONGEST_KEY: usize = 256;
const LONGEST_OWNER: usize = 256;
const LONGEST_RESOURCE: usize = 128;
pub(super) const MOST_RESOURCES: usize = 32;

/// What identifies a request or an object; longer ones would be refused by the schema of a `QuotaLedger`, and with them
/// whatever is written beside them.
const LONGEST_UID: usize = 128;
const LONGEST_PLACE: usize = 1024;
pub(super) const MOST_NAMES: usize = 64;

pub(super) type Amounts = BTreeMap<String, Quantity>;

/// One question of one request. `books` is false where it must leave nothing behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub key: String,
    /// The uid of the request.
    pub request: String,
    pub object: Identity,
    /// The version of the object that the request changes, 0 for one that it makes. Whoever sees a later one knows what came of
    /// the request. `None` where that is not known.
    pub over: Option<u64>,
    pub ttl: Duration,
    pub books: bool,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Amounts(WantedAmounts),
    Names(WantedNames),
    /// Whatever the request holds is given back.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedAmounts {
    /// What the object uses once the request is through, of each limited resource.
    pub amounts: Amounts,
    pub limits: Amounts,
    /// What each object uses now.
    pub used: Vec<(Identity, Amounts)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedNames {
    pub names: Vec<HostName>,
    pub owner: String,
    pub taken: Vec<Taken>,
}

/// A name that an object has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub object: Identity,
    pub name: HostName,
    pub owner: String,
}

/// Who asks.
pub struct Asker<'a> {
    pub request: &'a str,
    pub books: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReserveArguments {
    key: String,
    object: ObjectRef,
    amounts: BTreeMap<String, String>,
    #[serde(default)]
    limits: BTreeMap<String, String>,
    over: Option<String>,
    #[serde(default)]
    used: Vec<UsedArgument>,
    ttl: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsedArgument {
    object: ObjectRef,
    amounts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimArguments {
    key: String,
    object: ObjectRef,
    names: Vec<String>,
    owner: String,
    over: Option<String>,
    #[serde(default)]
    taken: Vec<TakenArgument>,
    ttl: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TakenArgument {
    object: ObjectRef,
    name: String,
    owner: String,
}

impl Ask {
    /// Of `quota.reserve`.
    ///
    /// # Errors
    /// Names the argument that is wrong.
    pub fn reserve(args: &str, asker: &Asker<'_>) -> Result<Self, LedgerError> {
        let ReserveArguments { key, object, amounts, limits, used, over, ttl } = parse("quota.reserve", args)?;
        let limits = quantities("limits", limits)?;
        let mut amounts = quantities("amounts", amounts)?;
        amounts.retain(|resource, _| limits.contains_key(resource));
        let of = |UsedArgument { object, amounts }| {
            let mut amounts = quantities("used", amounts)?;
            amounts.retain(|resource, _| limits.contains_key(resource));
            Ok((Identity::from(object), amounts))
        };
        let used = used.into_iter().map(of).collect::<Result<_, LedgerError>>()?;
        let wanted = Wanted::Amounts(WantedAmounts { amounts, limits, used });
        Self { wanted, ..Self::nothing(&key, asker)? }.lasting(object, over.as_deref(), ttl)
    }

    /// Of `quota.claim`.
    ///
    /// # Errors
    /// Names the argument that is wrong.
    pub fn claim(args: &str, asker: &Asker<'_>) -> Result<Self, LedgerError> {
        let ClaimArguments { key, object, names, owner, taken, over, ttl } = parse("quota.claim", args)?;
        if names.len() > MOST_NAMES {
            return Err(wrong(format!("names: {} are more than {MOST_NAMES}", names.len())));
        }
        if owner.is_empty() || owner.len() > LONGEST_OWNER {
            return Err(wrong(format!("owner: must be a name of 1 to {LONGEST_OWNER} bytes")));
        }
        let names = names.iter().map(|name| HostName::read(name)).collect::<Result<_, _>>().map_err(named("names"))?;
        // What somebody else was let have before is no reason to fail, if it is no name at all.
        let of = |TakenArgument { object, name, owner }| {
            Some(Taken { object: object.into(), name: HostName::read(&name).ok()?, owner })
        };
        let taken = taken.into_iter().filter_map(of).collect();
        let wanted = Wanted::Names(WantedNames { names, owner, taken });
        Self { wanted, ..Self::nothing(&key, asker)? }.lasting(object, over.as_deref(), ttl)
    }

    /// Gives back what a request holds under a key.
    #[must_use]
    pub fn release(key: &str, request: &str) -> Self {
        let (key, request) = (key.to_owned(), request.to_owned());
        Self {
            key,
            request,
            object: Identity::default(),
            over: None,
            ttl: USUAL_TTL,
            books: true,
            wanted: Wanted::Nothing,
        }
    }

    fn nothing(key: &str, asker: &Asker<'_>) -> Result<Self, LedgerError> {
        if key.is_empty() || key.len() > LONGEST_KEY || key.contains(char::is_control) {
            return Err(wrong(format!("key: must be a text of 1 to {LONGEST_KEY} bytes")));
        }
        if asker.request.len() > LONGEST_UID {
            return Err(wrong(format!("the uid of the request has more than {LONGEST_UID} bytes")));
        }
        Ok(Self { books: asker.books, ..Self::release(key, asker.request) })
    }

    fn lasting(self, object: ObjectRef, over: Option<&str>, seconds: Option<f64>) -> Result<Self, LedgerError> {
        let object = Identity::from(object);
        if object.uid.len() > LONGEST_UID || object.place.len() > LONGEST_PLACE {
            return Err(wrong(format!("object: its names have more than {LONGEST_PLACE} bytes")));
        }
        let with = Self { object, over: over.and_then(|version| version.parse().ok()), ..self };
        let Some(seconds) = seconds else { return Ok(with) };
        if !(1.0..=LONGEST_TTL.as_secs_f64()).contains(&seconds) {
            return Err(wrong(format!("ttl: must be from 1 to {} seconds", LONGEST_TTL.as_secs())));
        }
        Ok(Self { ttl: Duration::from_secs_f64(seconds), ..with })
    }
}

fn parse<T: DeserializeOwned>(function: &str, args: &str) -> Result<T, LedgerError> {
    serde_json::from_str(args).map_err(|error| {
        let text = error.to_string();
        wrong(format!("{function}: {}", text.split(" at line ").next().unwrap_or(&text)))
    })
}

fn quantities(field: &str, given: BTreeMap<String, String>) -> Result<Amounts, LedgerError> {
    if given.len() > MOST_RESOURCES {
        return Err(wrong(format!("{field}: {} resources are more than {MOST_RESOURCES}", given.len())));
    }
    let read = |(resource, text): (String, String)| {
        let place = || format!("{field}.{}", resource.chars().take(LONGEST_RESOURCE).collect::<String>());
        if resource.is_empty() || resource.len() > LONGEST_RESOURCE {
            return Err(wrong(format!("{}: the name must have 1 to {LONGEST_RESOURCE} bytes", place())));
        }
        match text.parse::<Quantity>() {
            Ok(amount) if amount.is_negative() => Err(wrong(format!("{}: {text} is less than nothing", place()))),
            Ok(amount) => Ok((resource, amount)),
            Err(cause) => Err(LedgerError::Quantity { field: place(), cause }),
        }
    };
    given.into_iter().map(read).collect()
}

fn wrong(message: String) -> LedgerError {
    LedgerError::Arguments(message)
}

fn named<E: fmt::Display>(field: &'static str) -> impl Fn(E) -> LedgerError {
    move |error| wrong(format!("{field}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Asker<'_> = Asker { request: "r", books: true };

    fn reserve(rest: &str) -> Result<Ask, LedgerError> {
        Ask::reserve(&format!(r#"{{"object":{{}},{rest}}}"#), &ASKER)
    }

    fn claim(rest: &str) -> Result<Ask, LedgerError> {
        Ask::claim(&format!(r#"{{"object":{{}},"key":"hosts",{rest}}}"#), &ASKER)
    }

    #[test]
    fn what_is_not_limited_is_not_counted() {
        let ask = reserve(
            r#""key":"a","amounts":{"pods":"1","cpu":"2"},"limits":{"pods":"5"},"used":[{"object":{},"amounts":{"cpu":"1"}}]"#,
        );
        let Wanted::Amounts(wanted) = ask.unwrap().wanted else { panic!() };
        assert_eq!(wanted.amounts.keys().collect::<Vec<_>>(), ["pods"]);
        assert!(wanted.used[0].1.is_empty());
    }

    #[test]
    fn wrong_arguments_are_named() {
        let long = "k".repeat(300);
        for (rest, message) in [
            (r#""key":"","amounts":{}"#.to_owned(), "key: must be"),
            (format!(r#""key":"{long}","amounts":{{}}"#), "key: must be"),
            (r#""key":"a\u0000","amounts":{}"#.to_owned(), "key: must be"),
            (
                r#""key":"a","amounts":{"pods":"many"},"limits":{"pods":"1"}"#.to_owned(),
                "amounts.pods: \"many\" is not a quantity",
            ),
            (
                r#""key":"a","amounts":{"pods":"-1"},"limits":{"pods":"1"}"#.to_owned(),
                "amounts.pods: -1 is less than nothing",
            ),
            (r#""key":"a","amounts":{},"limits":{"pods":"x"}"#.to_owned(), "limits.pods"),
            (r#""key":"a","amounts":{},"ttl":0"#.to_owned(), "ttl: must be from 1 to 3600"),
            (r#""key":"a","amounts":{},"ttl":1e9"#.to_owned(), "ttl: must be"),
            (r#""key":"a","amounts":{},"limit":{}"#.to_owned(), "unknown field `limit`"),
        ] {
            let error = reserve(&rest).unwrap_err();
            assert_eq!(error.reason(), "WrongArguments");
            assert!(error.to_string().contains(message), "{rest}: {error}");
        }
        for (rest, message) in [
            (r#""names":["a b"],"owner":"o""#, "names: \"a b\" is not a host name"),
            (r#""names":[],"owner":"""#, "owner: must be"),
        ] {
            assert!(claim(rest).unwrap_err().to_string().contains(message), "{rest}");
        }
        let many = vec!["\"a\""; 65].join(",");
        assert!(claim(&format!(r#""names":[{many}],"owner":"o""#)).is_err());
    }

    #[test]
    fn names_that_others_have_and_that_are_none_are_passed_over() {
        let Wanted::Names(wanted) =
            claim(r#""names":["a"],"owner":"o","taken":[{"object":{},"name":"a b","owner":"p"}]"#).unwrap().wanted
        else {
            panic!()
        };
        assert!(wanted.taken.is_empty());
    }
}
