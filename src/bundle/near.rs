//! Which of the names that exist was probably meant.

/// The nearest of `names` to `wanted`, if it is near: a third of the letters may differ.
pub(super) fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    let distances = names.into_iter().filter(|name| *name != wanted).map(|name| {
        let distance = strsim::damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase());
        (distance, name)
    });
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_slip_finds_the_one_that_was_meant() {
        let names = ["lodash", "lodash-es", "semver", "zod"];
        assert_eq!(nearest("loadsh", names).as_deref(), Some("lodash"));
        assert_eq!(nearest("lodashes", names).as_deref(), Some("lodash-es"));
        assert_eq!(nearest("zodd", names).as_deref(), Some("zod"));
        assert_eq!(nearest("Semver", names).as_deref(), Some("semver"));
        assert_eq!(nearest("express", names), None);
        assert_eq!(nearest("a", ["b", "abc"]).as_deref(), Some("b"));
    }
}
