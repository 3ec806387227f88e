//! How much memory a JSON text takes once V8 has parsed it. `JSON.parse` cannot be interrupted, so a text that would
//! run an isolate out of memory must never get that far.

/// Texts below this are never worth the look: even `[{},{},…]` grows only thirtyfold.
const SMALL: usize = 256 << 10;

/// What an empty object or array takes, its place in the parent aside.
const CONTAINER: usize = 56;
/// What one more member or element takes at most, when it is short: a string of its own.
const ELEMENT: usize = 40;

/// Bytes of heap, estimated from above; the text's own length where it is small.
pub(super) fn parsed_size(json: &str) -> usize {
    if json.len() < SMALL {
        return json.len();
    }
    // Those in strings are counted too: it is an upper bound that is wanted.
    let count = |wanted: fn(u8) -> bool| json.bytes().map(|byte| usize::from(wanted(byte))).sum::<usize>();
    let containers = count(|byte| byte | 0x20 == b'{');
    let elements = count(|byte| byte == b',');
    json.len() + containers * CONTAINER + elements * ELEMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_taken_as_it_is() {
        assert_eq!(parsed_size("[{},{}]"), 7);
    }

    #[test]
    fn many_small_objects_count_for_what_they_take() {
        let bomb = format!("[{}{{}}]", "{},".repeat(1 << 20));
        assert!(parsed_size(&bomb) > 64 << 20, "{}", parsed_size(&bomb));
    }

    #[test]
    fn a_large_text_counts_for_little_more_than_itself() {
        let text = format!(r#"{{"data":{{"key":"{}"}}}}"#, "x".repeat(3 << 20));
        assert!(parsed_size(&text) < 4 << 20, "{}", parsed_size(&text));
    }
}
