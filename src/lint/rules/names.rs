//! `policy-name`: what the name of a webhook must look like, made out of what was written.

use crate::policy::is_policy_name;

/// The name that was most likely meant.
pub(in crate::lint) fn mend(name: &str) -> Option<String> {
    let lower = name.trim().to_ascii_lowercase();
    let mended: String = lower.chars().map(|letter| if matches!(letter, '_' | ' ') { '-' } else { letter }).collect();
    (mended != name && is_policy_name(&mended)).then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_made_small_and_the_rest_is_left_to_the_author() {
        assert_eq!(mend("No_Privileged.Pods.example.com").as_deref(), Some("no-privileged.pods.example.com"));
        assert_eq!(mend("no-privileged"), None);
        assert_eq!(mend("no-privileged.pods.example.com"), None);
    }
}
