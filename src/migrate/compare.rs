//! Whether two policies say the same: both are asked about the same reviews, in worlds where nothing is done for real.

use std::fmt::Write as _;

use serde_json::Value;

use super::packages::Packages;

/// What one policy finds around it while it is compared. Nothing of it is real.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct World {
    /// What `get` and `list` see.
    pub inventory: Vec<Value>,
    /// What becomes of writes and requests.
    pub mood: Mood,
    /// The answer to every request: its body.
    pub body: String,
    /// The value of every environment variable, and the text of every file.
    pub text: Option<String>,
}

/// How the world takes what a policy does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// Writes are kept, requests answered with 200.
    #[default]
    Kind,
    /// Writes are refused, requests answered with 404.
    Stern,
    /// Nothing answers.
    Absent,
}

/// What one policy came to on one review.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub effect: Effect,
    pub warnings: Vec<String>,
    /// The object after the patch, where there was one.
    pub patched: Option<Value>,
    /// What it would have written: `create v1/ConfigMap …`, in order.
    pub writes: Vec<Value>,
    /// The words of what failed.
    pub error: String,
    /// It had to be ended: asking it again would only take long.
    pub was_ended: bool,
}

/// The heart of what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny {
        code: u16,
        reason: Option<String>,
        message: String,
    },
    /// It failed, with what comes of that. The words are those of its source, and differ.
    Error {
        allowed: bool,
    },
}

impl Said {
    /// Whether two policies said the same. What a failed one wrote before is compared too.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let failed = matches!(self.effect, Effect::Error { .. });
        self.effect == other.effect
            && (failed || self.warnings == other.warnings)
            && self.patched == other.patched
            && self.writes == other.writes
    }

    /// One line.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = match &self.effect {
            Effect::Allow => "allowed".to_owned(),
            Effect::Deny { code, reason, message } => {
                format!("denied with {code} {} {message:?}", reason.as_deref().unwrap_or("without a reason"))
            }
            Effect::Error { .. } => format!("failed ({})", short(&self.error)),
        };
        if !self.warnings.is_empty() {
            let _ = write!(told, ", warnings {:?}", self.warnings);
        }
        if let Some(patched) = &self.patched {
            let _ = write!(told, ", changed to {}", short(&patched.to_string()));
        }
        if !self.writes.is_empty() {
            let _ = write!(told, ", {} writes", self.writes.len());
        }
        told
    }
}

/// A review in a few words.
fn asked(review: &Value) -> String {
    let word = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let object = review.pointer("/request/object").filter(|object| !object.is_null());
    let object = object.or_else(|| review.pointer("/request/oldObject")).cloned().unwrap_or_default();
    format!("{} of {}", word("/request/operation"), short(&object.to_string()))
}

fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    let cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

/// Which of two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// With every right that it had where it comes from.
    Original,
    /// With what it asks for.
    Migrated,
}

/// A policy to be asked, as files to be loaded.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub name: String,
    pub original: String,
    pub migrated: String,
    /// What both import.
    pub packages: Packages,
    /// Whole admission reviews.
    pub reviews: Vec<Value>,
    /// How many of them, the first ones, somebody gave.
    pub given: usize,
    pub worlds: Vec<World>,
}

/// Runs policies; the engine, or a stand-in of tests.
pub trait Court {
    /// Loads one side of these policies.
    ///
    /// # Errors
    /// Where nothing can be loaded at all.
    fn load(&mut self, side: Side, candidates: &[Candidate]) -> Result<(), String>;

    /// Why a policy could not be loaded.
    fn problem(&self, side: Side, policy: &str) -> Option<String>;

    /// Asks a policy that was loaded.
    fn ask(&mut self, side: Side, world: &World, policy: &str, review: &Value) -> Said;

    /// Whether the migrated policy would be asked about a review at all.
    fn matches(&self, policy: &str, review: &Value) -> bool;
}

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The reviews on which both said the same, the world, and what was said.
    pub alike: Vec<(usize, usize, Said)>,
    /// The first difference.
    pub difference: Option<String>,
}

/// Asks both sides about every review in every world.
pub fn compare(court: &mut dyn Court, candidate: &Candidate) -> Comparison {
    /// After so many runs that had to be ended it is known how it goes.
    const ENDED: usize = 2;
    let mut alike = Vec::new();
    let mut ended = 0;
    for (number, world) in candidate.worlds.iter().enumerate() {
        for (at, review) in candidate.reviews.iter().enumerate() {
            if ended >= ENDED {
                break;
            }
            // Those that were given are many, and not made for what the worlds have.
            if at < candidate.given && number > 0 && number + 1 < candidate.worlds.len() {
                continue;
            }
            let original = court.ask(Side::Original, world, &candidate.name, review);
            let migrated = court.ask(Side::Migrated, world, &candidate.name, review);
            ended += usize::from(original.was_ended || migrated.was_ended);
            if !original.equals(&migrated) {
                let difference = format!(
                    "it does not come to the same: the script {}, the module {}; asked about {}",
                    original.told(),
                    migrated.told(),
                    asked(review),
                );
                return Comparison { alike, difference: Some(difference) };
            }
            alike.push((at, number, original));
        }
    }
    Comparison { alike, difference: None }
}
