//! Fields as a reader of manifests writes them.

use std::fmt::Write as _;

/// `spec.containers[0].image`, `metadata.labels["a.b/c"]`.
pub(super) fn shown(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps {
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            let _ = write!(text, "[{step}]");
        } else if step.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        } else {
            let _ = write!(text, "[{step:?}]");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_in_a_manifest() {
        let shown = |steps: &[&str]| shown(&steps.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(shown(&["spec", "containers", "0", "image"]), "spec.containers[0].image");
        assert_eq!(shown(&["metadata", "labels", "a.b/c"]), "metadata.labels[\"a.b/c\"]");
        assert_eq!(shown(&[]), "");
    }
}
