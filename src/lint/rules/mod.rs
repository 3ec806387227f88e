//! One file a rule, or a few that look at the same thing.

mod cases;
mod comparisons;
mod conditions;
mod fields;
mod host;
mod kinds;
mod listing;
mod matching;
mod names;
mod permissions;
mod regex;
mod time;
mod writes;

use super::code::Code;
use super::finding::Finding;

/// All that is seen in the code alone.
pub(super) fn of_code(code: &Code<'_, '_>) -> Vec<Finding> {
    let mut found = Vec::new();
    fields::check(code, &mut found);
    permissions::check(code, &mut found);
    listing::check(code, &mut found);
    kinds::check(code, &mut found);
    comparisons::check(code, &mut found);
    time::check(code, &mut found);
    writes::check(code, &mut found);
    host::check(code, &mut found);
    regex::check(code, &mut found);
    found
}

pub(super) use cases::check as of_cases;
pub(super) use matching::check as of_match;
pub(super) use names::mend as mend_name;
