//! Kubernetes quantities (`500m`, `1.5Gi`, `12e6`), exact: whole billionths, no floats. The same rules as `@bylaw/sdk`'s
//! `quantity`, which are those of `k8s.io/apimachinery/pkg/api/resource`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// The smallest part that Kubernetes keeps is a billionth.
const NANO: i128 = 1_000_000_000;
const DIGITS_OF_NANO: u32 = 9;

/// Longer texts mean nothing, and are refused before they cost time.
const MAX_LENGTH: usize = 128;

/// Far above what Kubernetes counts (2^63), and so far below the end of `i128` that a sum of a million of them fits.
const MAX_NANOS: i128 = 10_i128.pow(30);

/// Binary quantities stop at int64, as the API server's do.
const MAX_BINARY: i128 = (i64::MAX as i128) * NANO;

const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// How it was written, and is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Format {
    #[default]
    DecimalSi,
    BinarySi,
    Exponent,
}

/// An amount of anything countable. Two are equal where they are as much, however they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity: {why}")]
pub struct NotAQuantity {
    text: String,
    why: &'static str,
}

const FORM: &str = "expected a number and a suffix, such as \"500m\", \"2\" or \"1.5Gi\"";
const TOO_LARGE: &str = "it is out of range";

impl Quantity {
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A sum is written as its first part, but nothing plus 1Gi is 1Gi.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// How much more it is than the other; nothing where it is less.
    #[must_use]
    pub fn beyond(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos).max(0), format: self.format }
    }

    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let refuse = |why| NotAQuantity { text: text.chars().take(MAX_LENGTH).collect(), why };
        read(text).map_err(refuse)
    }
}

fn read(text: &str) -> Result<Quantity, &'static str> {
    if text.len() > MAX_LENGTH {
        return Err("it is too long");
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at_checked(end).ok_or(FORM)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(FORM);
    }
    let suffix = Suffix::of(suffix)?;
    let digits: i128 = digits(whole, fraction)?;
    let places = i32::try_from(fraction.len()).map_err(|_| TOO_LARGE)?;
    let Suffix { base, exponent, mut format } = suffix;
    let mut nanos = if base == 2 {
        let up = digits.checked_mul(NANO).and_then(|nanos| nanos.checked_mul(1_i128 << exponent)).ok_or(TOO_LARGE)?;
        scaled(up, -places)?.min(MAX_BINARY)
    } else {
        scaled(digits, exponent + DIGITS_OF_NANO.cast_signed() - places)?
    };
    if format == Format::BinarySi && nanos < NANO {
        // There is no binary suffix for parts of one.
        format = Format::DecimalSi;
    }
    if nanos > MAX_NANOS {
        return Err(TOO_LARGE);
    }
    if is_negative {
        nanos = -nanos;
    }
    Ok(Quantity { nanos, format })
}

/// The number without its point. Zeros at either end cost no room.
fn digits(whole: &str, fraction: &str) -> Result<i128, &'static str> {
    whole.bytes().chain(fraction.bytes()).try_fold(0_i128, |number, digit| {
        number.checked_mul(10).and_then(|number| number.checked_add(i128::from(digit - b'0'))).ok_or(TOO_LARGE)
    })
}

/// `number` × 10^`power`. Kubernetes never rounds a request down: less than a billionth still is a billionth.
fn scaled(number: i128, power: i32) -> Result<i128, &'static str> {
    if number == 0 {
        return Ok(0);
    }
    let ten = |power: u32| 10_i128.checked_pow(power);
    if power >= 0 {
        return ten(power.unsigned_abs()).and_then(|by| number.checked_mul(by)).ok_or(TOO_LARGE);
    }
    // More than there are digits in an i128 leaves less than one.
    Ok(ten(power.unsigned_abs()).map_or(1, |by| number / by + i128::from(number % by != 0)))
}

struct Suffix {
    base: u32,
    exponent: i32,
    format: Format,
}

impl Suffix {
    fn of(text: &str) -> Result<Self, &'static str> {
        let place = |suffixes: &[&str]| suffixes.iter().position(|known| *known == text);
        let times = |at: usize, by: i32| i32::try_from(at).map_or(0, |at| at * by);
        if let Some(at) = place(&DECIMAL_SUFFIXES) {
            return Ok(Self { base: 10, exponent: times(at, 3) - 9, format: Format::DecimalSi });
        }
        if let Some(at) = place(&BINARY_SUFFIXES) {
            return Ok(Self { base: 2, exponent: times(at, 10), format: Format::BinarySi });
        }
        let exponent = text.strip_prefix(['e', 'E']).and_then(|power| power.parse::<i32>().ok());
        let exponent = exponent.ok_or("its suffix is none of n u m k M G T P E Ki Mi Gi Ti Pi Ei, nor like e3")?;
        if exponent.abs() > 100 {
            return Err("its exponent is out of range");
        }
        Ok(Self { base: 10, exponent, format: Format::Exponent })
    }
}

/// The canonical form: no fraction, the largest suffix that fits, in the family that it was written in.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_small = self.nanos.abs() < 1024 * NANO;
        if self.format == Format::BinarySi && self.nanos % NANO == 0 && !is_small {
            let (value, power) = divided(self.nanos / NANO, 1024, BINARY_SUFFIXES.len() - 1);
            return write!(f, "{value}{}", BINARY_SUFFIXES.get(power).unwrap_or(&""));
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Exponent {
            let (value, power) = divided(self.nanos, 1000, usize::MAX);
            return match i64::try_from(power).unwrap_or_default() * 3 - 9 {
                0 => write!(f, "{value}"),
                exponent => write!(f, "{value}e{exponent}"),
            };
        }
        let (value, power) = divided(self.nanos, 1000, DECIMAL_SUFFIXES.len() - 1);
        write!(f, "{value}{}", DECIMAL_SUFFIXES.get(power).unwrap_or(&""))
    }
}

/// Divided as often as it goes without a rest, and how often that was.
fn divided(mut value: i128, by: i128, most: usize) -> (i128, usize) {
    let mut times = 0;
    while times < most && value % by == 0 {
        value /= by;
        times += 1;
    }
    (value, times)
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn quantities_are_as_much_as_kubernetes_takes_them_for() {
        for (text, canonical) in [
            ("0", "0"),
            ("1", "1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1.5Gi", "1536Mi"),
            ("1024Ki", "1Mi"),
            ("1023", "1023"),
            ("0.5Ki", "512"),
            ("1000", "1k"),
            ("12e6", "12e6"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1E", "1E"),
            ("100n", "100n"),
            ("0.1n", "1n"),
            ("1e-100", "1e-9"),
            ("-1500m", "-1500m"),
            ("9000Pi", "9223372036854775807"),
            ("1e+21", "1e21"),
            ("000000000000000000000000000000000000000000001", "1"),
        ] {
            assert_eq!(of(text).to_string(), canonical, "{text}");
            assert_eq!(of(canonical), of(text), "{text}");
        }
        assert_eq!(of("9Ei").to_string(), "9223372036854775807");
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        let long = "1".repeat(129);
        for text in ["", "-", ".", "Gi", "1 Gi", "1gi", "1.2.3", "0x10", "1e", "1e1000", "NaN", "1Zi", "é", "1é", &long]
        {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
        assert!("1e60".parse::<Quantity>().unwrap_err().to_string().contains("out of range"));
        assert!("99999999999999999999999999999999999999999".parse::<Quantity>().is_err());
    }

    #[test]
    fn sums_and_comparisons_are_exact() {
        // In floats 0.1 + 0.2 is more than 0.3, and 2^53 + 1 is 2^53.
        assert_eq!(of("0.1").plus(of("0.2")), of("0.3"));
        assert!(of("9007199254740993") > of("9007199254740992"));
        assert_eq!(of("1Gi").plus(of("1G")).to_string(), "2073741824");
        assert_eq!(Quantity::ZERO.plus(of("2Gi")).to_string(), "2Gi");
        assert_eq!(of("1").beyond(of("3")), Quantity::ZERO);
        assert_eq!(of("3").beyond(of("1")), of("2"));
        assert!(of("-1").is_negative());
    }
}
