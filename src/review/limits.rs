//! Bounds on the shape of a body, checked in one pass over its bytes before any parser sees it.
//!
//! The pass works on blocks of 64 bytes as bit masks, without a branch for each byte, so that it costs a fraction of
//! the parse it protects. It need not know whether the JSON is valid: on valid JSON it counts exactly, and on anything
//! else the parser fails afterwards.

use super::ReviewError;

const BLOCK: usize = 64;

/// What a body may be. The defaults are far above what an API server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole body. An etcd object has at most 1.5 MiB by default and a request at most 3 MiB; a review may
    /// hold the object twice.
    pub bytes: usize,
    /// Levels of objects and arrays. 127 is what `serde_json` parses into a tree, so whatever passes here can be
    /// parsed by every later stage; the deepest object in common use, a CRD with its schema, has about half of that.
    pub depth: usize,
    /// Keys of any one object. A `ConfigMap` of 1 MiB with entries of 21 bytes reaches it; beyond it lies hash flooding:
    /// 2^17 colliding keys hold a thread for half a minute (CVE-2026-21717).
    pub keys_per_object: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 20, depth: 127, keys_per_object: 50_000 }
    }
}

impl Limits {
    pub(super) fn check(&self, body: &[u8]) -> Result<(), ReviewError> {
        if body.len() > self.bytes {
            return Err(ReviewError::TooLarge { limit: self.bytes });
        }
        self.check_depth(body)?;
        // No object can have more keys than the whole body has colons, in strings or out of them: the exact count is
        // for giants only.
        let colons = || body.iter().map(|byte| usize::from(*byte == b':')).sum::<usize>();
        if body.len() > self.keys_per_object && colons() > self.keys_per_object {
            self.check_keys(body)
        } else {
            Ok(())
        }
    }

    fn check_depth(&self, body: &[u8]) -> Result<(), ReviewError> {
        let mut strings = Strings::default();
        let mut depth = 0_usize;
        let (blocks, rest) = body.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);

        for (number, block) in blocks.iter().chain([&last]).enumerate() {
            let outside = !strings.inside(block);
            let opening = bits(block, |byte| byte | 0x20 == b'{') & outside;
            let closing = bits(block, |byte| byte | 0x20 == b'}') & outside;

            if depth + ones(opening) > self.depth {
                self.walk_block(depth, opening, closing, number * BLOCK)?;
            }
            depth = (depth + ones(opening)).saturating_sub(ones(closing));
        }
        Ok(())
    }

    /// The exact check of a block in which the limit might be passed.
    fn walk_block(&self, mut depth: usize, opening: u64, closing: u64, start: usize) -> Result<(), ReviewError> {
        for bit in 0..BLOCK {
            if opening >> bit & 1 == 1 {
                depth += 1;
                if depth > self.depth {
                    return Err(ReviewError::TooDeep { limit: self.depth, at: start + bit });
                }
            } else if closing >> bit & 1 == 1 {
                depth = depth.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Counts the keys of each object, byte by byte. The depth is known to be in bounds, and with it the stack.
    fn check_keys(&self, body: &[u8]) -> Result<(), ReviewError> {
        let mut counts: Vec<usize> = Vec::with_capacity(self.depth);
        let (mut in_string, mut escaped) = (false, false);
        for (at, byte) in body.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => counts.push(0),
                b'}' | b']' => drop(counts.pop()),
                b':' => {
                    if let Some(count) = counts.last_mut() {
                        *count += 1;
                        if *count > self.keys_per_object {
                            return Err(ReviewError::TooManyKeys { limit: self.keys_per_object, at });
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Which bytes lie inside strings, carried from block to block.
#[derive(Default)]
struct Strings {
    /// All ones while the block before ended inside a string.
    open: u64,
    /// One while the block before ended in a backslash that escapes.
    escape: u64,
}

impl Strings {
    /// The mask of the bytes inside a string; the opening quote counts as inside, the closing one as outside.
    fn inside(&mut self, block: &[u8; BLOCK]) -> u64 {
        let backslashes = bits(block, |byte| byte == b'\\');
        let quotes = bits(block, |byte| byte == b'"') & !self.escaped(backslashes);
        let inside = parity_so_far(quotes) ^ self.open;
        self.open = if inside >> 63 == 1 { u64::MAX } else { 0 };
        inside
    }

    /// The mask of the bytes that a backslash escapes.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escape);
        let mut rest = backslashes & !escaped;
        while rest != 0 {
            let backslash = rest & rest.wrapping_neg();
            let next = backslash << 1;
            self.escape = u64::from(next == 0);
            escaped |= next;
            rest &= !(backslash | next);
        }
        escaped
    }
}

/// Each bit tells whether the number of ones up to it, itself included, is odd.
const fn parity_so_far(mut mask: u64) -> u64 {
    let mut shift = 1;
    while shift < 64 {
        mask ^= mask << shift;
        shift <<= 1;
    }
    mask
}

/// One bit for each byte of the block that `is` holds for.
#[inline]
fn bits(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    // Multiplying moves bit 0 of byte k to bit 56 + k; no two of them meet on the way.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = block.map(|byte| u8::from(is(byte)));
    let (words, _) = flags.as_chunks::<8>();
    words
        .iter()
        .enumerate()
        .fold(0, |mask, (word, flags)| mask | (u64::from_le_bytes(*flags).wrapping_mul(GATHER) >> 56) << (word * 8))
}

const fn ones(mask: u64) -> usize {
    mask.count_ones() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn limits(depth: usize, keys_per_object: usize) -> Limits {
        Limits { depth, keys_per_object, ..Limits::default() }
    }

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(map) => 1 + map.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn most_keys(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(most_keys).max().unwrap_or(0),
            Value::Object(map) => map.len().max(map.values().map(most_keys).max().unwrap_or(0)),
            _ => 0,
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = proptest::collection::vec(
            prop::sample::select(vec!["\\", "\"", "{", "}", "[", "]", ":", ",", "a", "ä", "\n"]),
            0..40,
        )
        .prop_map(|parts| parts.concat());
        let leaf = prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        leaf.prop_recursive(8, 128, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn depth_and_keys_are_counted_exactly(value in json()) {
            let (depth, keys) = (depth_of(&value), most_keys(&value));
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(limits(depth, keys).check(text.as_bytes()), Ok(()));
                if depth > 0 {
                    let refused = limits(depth - 1, keys).check(text.as_bytes());
                    prop_assert!(matches!(refused, Err(ReviewError::TooDeep { .. })), "{:?}", refused);
                }
                if keys > 0 {
                    let refused = limits(depth, keys - 1).check(text.as_bytes());
                    prop_assert!(matches!(refused, Err(ReviewError::TooManyKeys { .. })), "{:?}", refused);
                }
            }
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = limits(3, 3).check(&bytes);
        }
    }

    #[test]
    fn a_hundred_thousand_levels_are_refused_where_they_pass_the_limit() {
        let body = "[".repeat(100_000);
        assert_eq!(Limits::default().check(body.as_bytes()), Err(ReviewError::TooDeep { limit: 127, at: 127 }));
    }

    #[test]
    fn what_passes_can_be_parsed_into_a_tree() {
        let body = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert_eq!(Limits::default().check(body.as_bytes()), Ok(()));
        assert!(serde_json::from_str::<Value>(&body).is_ok());
    }

    #[test]
    fn a_config_map_of_a_mebibyte_with_many_keys_passes() {
        let data: serde_json::Map<String, Value> =
            (0..45_000).map(|key| (format!("key-{key:05}"), "0123456789".into())).collect();
        let body = serde_json::json!({"request": {"object": {"data": data}}}).to_string();
        assert!(body.len() > 1 << 20);
        assert_eq!(Limits::default().check(body.as_bytes()), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_is_refused_and_the_same_number_in_many_objects_is_not() {
        let flood: serde_json::Map<String, Value> = (0..50_001).map(|key| (key.to_string(), 0.into())).collect();
        let refused = Limits::default().check(Value::Object(flood).to_string().as_bytes());
        assert!(matches!(refused, Err(ReviewError::TooManyKeys { limit: 50_000, .. })), "{refused:?}");

        let spread = format!("[{}{{}}]", r#"{"a":1,"b":2},"#.repeat(40_000));
        assert_eq!(Limits::default().check(spread.as_bytes()), Ok(()));
    }

    #[test]
    fn one_byte_too_many_is_too_large() {
        let limits = Limits { bytes: 4, ..Limits::default() };
        assert_eq!(limits.check(b"[12]"), Ok(()));
        assert_eq!(limits.check(b"[123]"), Err(ReviewError::TooLarge { limit: 4 }));
    }
}
