//! The word that a misspelt one stands for.

/// The one known word that is nearest, if it is near enough and no other is as near.
pub(super) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let mut best: Option<(usize, &'w str)> = None;
    let mut is_tied = false;
    for candidate in known.filter(|candidate| candidate.len().abs_diff(word.len()) <= 2) {
        let distance = distance(word, candidate);
        // Of a short word a letter more or less makes another.
        if distance == 0 || distance > 2 || distance * 3 > candidate.len() {
            continue;
        }
        match best {
            Some((nearest, known)) if nearest < distance || known == candidate => {}
            Some((nearest, _)) if nearest == distance => is_tied = true,
            _ => (best, is_tied) = (Some((distance, candidate)), false),
        }
    }
    best.filter(|_| !is_tied).map(|(_, found)| found)
}

/// How many letters must be put in, taken out, replaced or swapped with the next; case counts for nothing but zero.
fn distance(left: &str, right: &str) -> usize {
    let (left_bytes, right_bytes) = (left.as_bytes(), right.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right_bytes.len()).collect();
    for (row, a) in left_bytes.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, b) in right_bytes.iter().enumerate() {
            let at = |costs: &[usize], index: usize| costs.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(!a.eq_ignore_ascii_case(b));
            let mut cost = replaced.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let is_swap = row > 0
                && column > 0
                && left_bytes.get(row - 1).is_some_and(|earlier| earlier.eq_ignore_ascii_case(b))
                && right_bytes.get(column - 1).is_some_and(|earlier| earlier.eq_ignore_ascii_case(a));
            if is_swap {
                cost = cost.min(at(&before, column - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut last, next);
    }
    let cost = last.last().copied().unwrap_or_default();
    if cost == 0 && left != right { 1 } else { cost }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_found_if_it_is_the_only_one() {
        let known = ["hostNetwork", "hostPID", "hostIPC", "image", "name"];
        for (written, meant) in [
            ("hostNetwrok", Some("hostNetwork")),
            ("hostnetwork", Some("hostNetwork")),
            ("imagee", Some("image")),
            ("hostIC", Some("hostIPC")),
            ("hostIPD", None),
            ("xyz", None),
            ("nme", Some("name")),
            ("", None),
        ] {
            assert_eq!(nearest(written, known.into_iter()), meant, "{written}");
        }
    }
}
