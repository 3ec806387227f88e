//! Reads JSON into a tree of exactly what stands there.
//!
//! `serde_json` marks numbers and raw texts inside its own machinery by objects with one magic key
//! (`$serde_json::private::Number`, `…RawValue`), and takes an object with such a key in a document for the mark: whoever
//! writes an object could make us see another one than the API server stores. So the structure is read here, and
//! `serde_json` only gets to see strings and scalars.

use serde::de::Error as _;
use serde_json::{Error, Map, Value};

use super::Limits;

/// Reads one JSON value.
///
/// # Errors
/// Tells what is wrong with the form of `text`, never a piece of it.
pub fn tree(text: &str) -> Result<Value, Error> {
    let mut reader = Reader { text, at: 0, levels_left: Limits::default().depth };
    let value = reader.value()?;
    if reader.peek().is_some() { Err(reader.error("trailing characters")) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    levels_left: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, Error> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(_) => self.scalar(),
            None => Err(self.error("the value ends too early")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        self.levels_left =
            self.levels_left.checked_sub(1).ok_or_else(|| self.error("the value is nested too deeply"))?;
        self.at += 1;
        let value = read(self)?;
        self.levels_left += 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Error> {
        let mut map = Map::new();
        let mut is_first = true;
        while !self.ends(b'}', &mut is_first)? {
            if self.peek() != Some(b'"') {
                return Err(self.error("a key must be a string"));
            }
            let key = self.string()?;
            if !self.take(b':') {
                return Err(self.error("expected `:`"));
            }
            map.insert(key, self.value()?);
        }
        Ok(Value::Object(map))
    }

    fn array(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        let mut is_first = true;
        while !self.ends(b']', &mut is_first)? {
            items.push(self.value()?);
        }
        Ok(Value::Array(items))
    }

    /// Takes the closing bracket, or the comma before another element.
    fn ends(&mut self, closing: u8, is_first: &mut bool) -> Result<bool, Error> {
        if self.take(closing) {
            return Ok(true);
        }
        if !std::mem::take(is_first) && !self.take(b',') {
            return Err(self.error("expected `,` or a closing bracket"));
        }
        Ok(false)
    }

    fn string(&mut self) -> Result<String, Error> {
        let rest = self.rest();
        // The opening quote counts as escaped, or the string would end with it.
        let mut is_escaped = true;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = !is_escaped && byte == b'\\';
            ends
        });
        let quoted = end.and_then(|end| rest.get(..=end)).ok_or_else(|| self.error("a string does not end"))?;
        self.at += quoted.len();
        serde_json::from_str(quoted)
    }

    fn scalar(&mut self) -> Result<Value, Error> {
        let rest = self.rest();
        let ends = |byte: u8| is_space(byte) || matches!(byte, b',' | b']' | b'}' | b':' | b'{' | b'[' | b'"');
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += length;
        serde_json::from_str(rest.get(..length).unwrap_or_default())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        self.at += self.rest().bytes().take_while(|byte| is_space(*byte)).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn error(&self, message: &str) -> Error {
        Error::custom(format_args!("{message} at byte {}", self.at))
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn magic_keys_of_the_parser_are_ordinary_keys() {
        for key in
            ["$serde_json::private::Number", "$serde_json::private::RawValue", "\\u0024serde_json::private::Number"]
        {
            let text = format!(r#"{{"a":{{"{key}":"7"}}}}"#);
            let object = tree(&text).unwrap();
            let (name, value) = object["a"].as_object().and_then(|map| map.iter().next()).unwrap();
            assert!(name.starts_with("$serde_json::private::"), "{object}");
            assert_eq!(value, "7");
        }
    }

    #[test]
    fn the_text_of_numbers_is_kept() {
        for number in ["0", "-1", "9007199254740993", "18446744073709551615", "0.1", "-9223372036854775808"] {
            assert_eq!(tree(number).unwrap().to_string(), number);
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| tree(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(nested(127).is_ok());
        assert!(nested(128).unwrap_err().to_string().contains("nested too deeply at byte 127"));
        let siblings = format!("[{}1]", "[[[[1]]]],".repeat(200));
        assert!(tree(&siblings).is_ok(), "levels are given back");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_or_refused_as_serde_json_would(
            parts in proptest::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"\\\"\"", "\"\\u00e4\"", "\\", "1", "-0.5e3", "01",
                    "true", "null", "nul", " ", "\n", "ä", "\u{1}", "{\"a\":", "\"b\":", "[1,", "\"\\ud800\"",
                ]),
                0..12,
            )
        ) {
            let text = parts.concat();
            match (tree(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(_), Err(_)) => {}
                (ours, theirs) => prop_assert!(false, "{}: {:?} {:?}", text, ours, theirs),
            }
        }
    }
}
