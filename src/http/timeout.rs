//! `?timeout=10s`: how long the API server will wait, written as Go writes durations.

use std::time::Duration;

/// What a wrong duration is answered with.
const EXPECTED: &str = "expected a positive Go duration such as 10s, 1m30s or 500ms";

/// The value of `timeout` in a query, if it is there.
///
/// # Errors
/// A sentence naming the value where it is no positive duration.
pub(super) fn from_query(query: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(query) = query else { return Ok(None) };
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "timeout");
    let Some((_, value)) = found else { return Ok(None) };
    match parse(&value) {
        Some(duration) if !duration.is_zero() => Ok(Some(duration)),
        _ => {
            let shown: String = value.chars().take(40).collect();
            Err(format!("timeout={shown}: {EXPECTED}"))
        }
    }
}

/// `time.ParseDuration` of Go without negative ones: decimal numbers, each with a unit, one after the other.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number_ends = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(number_ends)?;
        let unit_ends =
            after.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_ends)?;
        total = total.checked_add(component(number, unit)?)?;
        rest = after;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// In nanoseconds; Go, too, ends at 2^63 of them.
fn component(number: &str, unit: &str) -> Option<i64> {
    let unit_nanos: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    // Beyond eighteen digits a fraction of an hour is less than a nanosecond.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let nanos = u128::from(digits(whole)?).checked_mul(unit_nanos)?;
    let nanos = nanos.checked_add(u128::from(digits(fraction)?) * unit_nanos / scale)?;
    i64::try_from(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("5.s", 5_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("2000us", 2),
            ("3000µs", 3),
            ("+7s", 7_000),
            ("0.001h", 3_600),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_by_name() {
        for text in [
            "",
            "10",
            "-1s",
            "s",
            ".s",
            "1..5s",
            "1d",
            "1s2",
            "99999999999999999999s",
            "3000000h",
            "1 s",
            "0",
            "0s",
            "é",
            "1é",
        ] {
            let query = format!("timeout={text}");
            let error = from_query(Some(&query)).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn other_parameters_are_nobodys_business() {
        assert_eq!(from_query(None), Ok(None));
        assert_eq!(from_query(Some("dryRun=All")), Ok(None));
        assert_eq!(from_query(Some("a=b&timeout=2s&timeout=9s")), Ok(Some(Duration::from_secs(2))));
        assert_eq!(from_query(Some("timeout=%31s")), Ok(Some(Duration::from_secs(1))));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = from_query(Some(&text));
            let _ = parse(&text);
        }
    }
}
