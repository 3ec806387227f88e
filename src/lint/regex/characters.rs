//! Sets of characters, as far as it matters whether two of them share one. What is hard to say is taken for all.

use oxc::regular_expression::ast::{
    CharacterClass, CharacterClassContents, CharacterClassContentsKind, CharacterClassEscapeKind,
};

const LAST: u32 = 0x0010_ffff;

/// Ranges in order, apart from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Characters(Vec<(u32, u32)>);

impl Characters {
    pub(super) fn all() -> Self {
        Self(vec![(0, LAST)])
    }

    pub(super) fn of(ranges: &[(u32, u32)]) -> Self {
        let mut ranges: Vec<(u32, u32)> = ranges.iter().copied().filter(|(from, to)| from <= to).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    pub(super) fn one(character: u32) -> Self {
        Self(vec![(character, character)])
    }

    pub(super) fn line() -> Self {
        Self::of(&[(0x0a, 0x0a), (0x0d, 0x0d), (0x2028, 0x2029)]).complement()
    }

    pub(super) fn escape(kind: CharacterClassEscapeKind) -> Self {
        let digits = || Self::of(&[(0x30, 0x39)]);
        let words = || Self::of(&[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)]);
        let spaces = || {
            Self::of(&[
                (0x09, 0x0d),
                (0x20, 0x20),
                (0xa0, 0xa0),
                (0x1680, 0x1680),
                (0x2000, 0x200a),
                (0x2028, 0x2029),
                (0x202f, 0x202f),
                (0x205f, 0x205f),
                (0x3000, 0x3000),
                (0xfeff, 0xfeff),
            ])
        };
        match kind {
            CharacterClassEscapeKind::D => digits(),
            CharacterClassEscapeKind::NegativeD => digits().complement(),
            CharacterClassEscapeKind::S => spaces(),
            CharacterClassEscapeKind::NegativeS => spaces().complement(),
            CharacterClassEscapeKind::W => words(),
            CharacterClassEscapeKind::NegativeW => words().complement(),
        }
    }

    /// `[…]`. What is cut out of or shared between sets (flag `v`) is taken for all.
    pub(super) fn class(class: &CharacterClass<'_>) -> Self {
        if class.kind != CharacterClassContentsKind::Union {
            return Self::all();
        }
        let mut ranges = Vec::new();
        for part in &class.body {
            match part {
                CharacterClassContents::Character(one) => ranges.push((one.value, one.value)),
                CharacterClassContents::CharacterClassRange(range) => ranges.push((range.min.value, range.max.value)),
                CharacterClassContents::CharacterClassEscape(escape) => ranges.extend(Self::escape(escape.kind).0),
                CharacterClassContents::NestedCharacterClass(inner) => ranges.extend(Self::class(inner).0),
                CharacterClassContents::UnicodePropertyEscape(_)
                | CharacterClassContents::ClassStringDisjunction(_) => return Self::all(),
            }
        }
        let positive = Self::of(&ranges);
        if class.negative { positive.complement() } else { positive }
    }

    fn complement(&self) -> Self {
        let mut ranges = Vec::new();
        let mut next = 0;
        for (from, to) in &self.0 {
            if *from > next {
                ranges.push((next, from - 1));
            }
            next = to + 1;
        }
        if next <= LAST {
            ranges.push((next, LAST));
        }
        Self(ranges)
    }

    /// Without regard to case. Beyond ASCII every letter is taken for any other.
    pub(super) fn without_case(&self) -> Self {
        let mut ranges = self.0.clone();
        for (from, to) in &self.0 {
            for (first, last, other) in [(0x41, 0x5a, 0x61), (0x61, 0x7a, 0x41)] {
                let (low, high) = ((*from).max(first), (*to).min(last));
                if low <= high {
                    ranges.push((low - first + other, high - first + other));
                }
            }
            if *to > 0x7f {
                ranges.push((0x80, LAST));
            }
        }
        Self::of(&ranges)
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((from, to)), Some((other_from, other_to))) = (left.peek(), right.peek()) {
            if to < other_from {
                left.next();
            } else if other_to < from {
                right.next();
            } else {
                return true;
            }
        }
        false
    }

    /// A set of what both have.
    pub(super) fn shared(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for (from, to) in &self.0 {
            for (other_from, other_to) in &other.0 {
                ranges.push(((*from).max(*other_from), (*to).min(*other_to)));
            }
        }
        Self::of(&ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_meet_where_they_share_a_character() {
        let digits = Characters::escape(CharacterClassEscapeKind::D);
        let words = Characters::escape(CharacterClassEscapeKind::W);
        let others = Characters::escape(CharacterClassEscapeKind::NegativeW);
        assert!(digits.meets(&words) && !words.meets(&others) && Characters::all().meets(&others));
        assert!(!Characters::one(0x61).meets(&Characters::one(0x41)));
        assert!(Characters::one(0x61).without_case().meets(&Characters::one(0x41)));
        assert!(!Characters::line().meets(&Characters::one(0x0a)));
        assert_eq!(digits.shared(&words), digits);
    }
}
