//! Audit annotations: keys that the API server takes, values of bounded size.

use super::message::shorten;
use crate::review::clip::clip;

/// Most annotations of one answer.
const MOST: usize = 64;
/// Longest value in bytes: the bound of the in-tree policies' own audit annotations.
const LONGEST_VALUE: usize = 10 << 10;
/// Longest name part of a qualified name.
const LONGEST_NAME: usize = 63;

/// The annotations of one answer; a key that is given twice keeps the last value.
#[derive(Default)]
pub(super) struct Audit(Vec<(String, String)>);

impl Audit {
    /// `policy.key`. The API server puts the webhook's name and a slash in front and refuses a key with a second slash
    /// (`k8s.io/apiserver`, admission/attributes.go), so the policy's name is part of the key's name part. Without a
    /// policy the key stands alone, for an answer that speaks for one.
    pub(super) fn push(&mut self, policy: Option<&str>, key: &str, value: &str) {
        let name = name(key);
        let key = policy.map_or_else(|| name.clone(), |policy| qualified(policy, &name));
        let value = shorten(value, LONGEST_VALUE);
        if let Some((_, old)) = self.0.iter_mut().find(|(other, _)| *other == key) {
            *old = value;
        } else if self.0.len() < MOST {
            self.0.push((key, value));
        }
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// The two together in the length of one name part: the end of a long policy name gives way.
fn qualified(policy: &str, name: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(name.len() + 1);
    let policy = clip(policy, room).trim_end_matches(['.', '-']);
    if policy.is_empty() { name.to_owned() } else { format!("{policy}.{name}") }
}

/// `key` as the name part of a qualified name: what may not stand there becomes `_`.
fn name(key: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let name: String =
        key.chars().take(LONGEST_NAME).map(|character| if allowed(character) { character } else { '_' }).collect();
    let name = name.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    if name.is_empty() { "annotation".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_qualified_names() {
        let mut audit = Audit::default();
        audit.push(Some("p.example.com"), "reason", "1");
        audit.push(Some("p.example.com"), "a/b c.", "2");
        audit.push(None, "-_ä", "3");
        audit.push(None, &"k".repeat(100), "4");
        let keys: Vec<String> = audit.into_pairs().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["p.example.com.reason", "p.example.com.a_b_c", "annotation", &"k".repeat(63)]);
    }

    #[test]
    fn the_last_value_of_a_key_stands() {
        let mut audit = Audit::default();
        audit.push(Some("p"), "a", "1");
        audit.push(Some("p"), "a", "2");
        audit.push(Some("q"), "a", "3");
        assert_eq!(audit.into_pairs(), [("p.a".into(), "2".into()), ("q.a".into(), "3".into())]);
    }

    #[test]
    fn values_and_their_number_are_bounded() {
        let mut audit = Audit::default();
        (0..1_000).for_each(|n| audit.push(Some("p"), &n.to_string(), &"x".repeat(100_000)));
        let pairs = audit.into_pairs();
        assert_eq!(pairs.len(), 64);
        assert!(pairs.iter().all(|(_, value)| value.len() <= 10_240));
    }
}
