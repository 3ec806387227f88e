//! Aligns two arrays: which elements stayed, which changed in place, which came and went.

use std::collections::HashMap;

use serde_json::Value;

/// Cells of all the alignment tables of one diff: 5 MB at most and some ten milliseconds. Beyond them elements are paired
/// by position; what two arrays have in common at both ends never enters a table.
pub(super) const CELLS: usize = 1 << 20;

/// One step from the old array to the new one. Steps come in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next old element becomes the next new one, changed or not.
    Keep,
    /// The next old element goes.
    Remove,
    /// The next new element comes.
    Insert,
}

/// The cheapest steps from `old` to `new`, where leaving an element costs nothing, changing one of the same name less
/// than changing one for another, and that less than removing one and inserting another.
pub(super) fn align(old: &[Value], new: &[Value], cells_left: &mut usize) -> Vec<Step> {
    let shorter = old.len().min(new.len());
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let tail = old.iter().rev().zip(new.iter().rev()).take(shorter - head).take_while(|(old, new)| old == new).count();
    let middle = |items: &[Value]| items.len() - head - tail;
    let (rows, columns) = (middle(old), middle(new));

    let mut steps = vec![Step::Keep; head];
    let cells = (rows + 1).saturating_mul(columns + 1);
    if rows == 0 || columns == 0 || cells > *cells_left {
        let kept = rows.min(columns);
        steps.extend(std::iter::repeat_n(Step::Keep, kept));
        steps.extend(std::iter::repeat_n(Step::Remove, rows - kept));
        steps.extend(std::iter::repeat_n(Step::Insert, columns - kept));
    } else {
        *cells_left -= cells;
        let old = old.get(head..head + rows).unwrap_or_default();
        let new = new.get(head..head + columns).unwrap_or_default();
        let mut numbers = HashMap::new();
        let [old, new] = [old, new].map(|items| items.iter().map(|item| Element::of(item, &mut numbers)).collect());
        steps.extend(Table::fill(&old, &new).walk());
    }
    steps.extend(std::iter::repeat_n(Step::Keep, tail));
    steps
}

/// The costs of aligning every suffix of the old elements with every suffix of the new ones.
struct Table {
    rows: usize,
    columns: usize,
    /// (rows + 1) x (columns + 1), by row.
    costs: Vec<u32>,
    steps: Vec<Step>,
}

const INSERT_OR_REMOVE: u32 = 4;
const CHANGE_ANOTHER: u32 = 6;
const CHANGE_SAME_NAME: u32 = 2;

impl Table {
    fn fill(old: &Vec<Element>, new: &Vec<Element>) -> Self {
        let (rows, columns) = (old.len(), new.len());
        let cells = (rows + 1) * (columns + 1);
        let mut table = Self { rows, columns, costs: vec![0; cells], steps: vec![Step::Keep; cells] };
        for row in (0..=rows).rev() {
            for column in (0..=columns).rev() {
                let (cost, step) = match (old.get(row), new.get(column)) {
                    (Some(old), Some(new)) => table.cheapest(row, column, old.change_cost(new)),
                    (Some(_), None) => (table.cost(row + 1, column) + INSERT_OR_REMOVE, Step::Remove),
                    (None, Some(_)) => (table.cost(row, column + 1) + INSERT_OR_REMOVE, Step::Insert),
                    (None, None) => (0, Step::Keep),
                };
                let cell = table.cell(row, column);
                if let (Some(to), Some(step_to)) = (table.costs.get_mut(cell), table.steps.get_mut(cell)) {
                    (*to, *step_to) = (cost, step);
                }
            }
        }
        table
    }

    /// On a tie an element stays in place, and a removal comes before an insertion: the same arrays always give the
    /// same steps.
    fn cheapest(&self, row: usize, column: usize, change: u32) -> (u32, Step) {
        let keep = (self.cost(row + 1, column + 1) + change, Step::Keep);
        let remove = (self.cost(row + 1, column) + INSERT_OR_REMOVE, Step::Remove);
        let insert = (self.cost(row, column + 1) + INSERT_OR_REMOVE, Step::Insert);
        [remove, insert].into_iter().fold(keep, |best, other| if other.0 < best.0 { other } else { best })
    }

    const fn cell(&self, row: usize, column: usize) -> usize {
        row * (self.columns + 1) + column
    }

    fn cost(&self, row: usize, column: usize) -> u32 {
        self.costs.get(self.cell(row, column)).copied().unwrap_or_default()
    }

    fn walk(&self) -> Vec<Step> {
        let (mut row, mut column) = (0, 0);
        let mut steps = Vec::with_capacity(self.rows.max(self.columns));
        while row < self.rows || column < self.columns {
            let step = self.steps.get(self.cell(row, column)).copied().unwrap_or(Step::Keep);
            row += usize::from(step != Step::Insert);
            column += usize::from(step != Step::Remove);
            steps.push(step);
        }
        steps
    }
}

/// What the table has to know of an element: comparing whole values in each cell would cost their size each time.
struct Element<'a> {
    /// Equal for elements of equal text.
    number: usize,
    name: Option<&'a str>,
}

impl<'a> Element<'a> {
    fn of(value: &'a Value, numbers: &mut HashMap<String, usize>) -> Self {
        let next = numbers.len();
        let number = *numbers.entry(value.to_string()).or_insert(next);
        Self { number, name: name(value) }
    }

    fn change_cost(&self, new: &Self) -> u32 {
        match (self.name, new.name) {
            _ if self.number == new.number => 0,
            (Some(old), Some(new)) if old == new => CHANGE_SAME_NAME,
            _ => CHANGE_ANOTHER,
        }
    }
}

/// What most lists of Kubernetes are keyed by: containers, environment, volumes, ports.
pub(super) fn name(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Step::{Insert, Keep, Remove};
    use super::*;

    fn steps(old: &Value, new: &Value) -> Vec<Step> {
        align(old.as_array().unwrap(), new.as_array().unwrap(), &mut CELLS.clone())
    }

    #[test]
    fn an_insertion_anywhere_is_one_step() {
        assert_eq!(steps(&json!([1, 2]), &json!([0, 1, 2])), [Insert, Keep, Keep]);
        assert_eq!(steps(&json!([1, 2]), &json!([1, 0, 2])), [Keep, Insert, Keep]);
        assert_eq!(steps(&json!([1, 2]), &json!([1, 2, 0])), [Keep, Keep, Insert]);
    }

    #[test]
    fn elements_of_one_name_stay_together_while_others_come_and_go() {
        let old = json!([{"name": "a", "x": 1}, {"name": "gone"}, {"name": "b", "x": 1}]);
        let new = json!([{"name": "new"}, {"name": "a", "x": 2}, {"name": "b", "x": 2}]);
        assert_eq!(steps(&old, &new), [Insert, Keep, Remove, Keep]);
    }

    #[test]
    fn repeated_elements_are_not_counted_twice() {
        assert_eq!(steps(&json!([1, 1]), &json!([1])), [Keep, Remove]);
        assert_eq!(steps(&json!([1]), &json!([1, 1])), [Keep, Insert]);
        assert_eq!(steps(&json!([]), &json!([])), []);
    }

    #[test]
    fn arrays_too_long_for_the_table_are_paired_by_position() {
        let old: Value = (0..1_100).map(|n| json!(n)).collect();
        let new: Value = (0..1_101).map(|n| json!(n + 1)).collect();
        let steps = steps(&old, &new);
        assert_eq!(steps.iter().filter(|step| **step == Keep).count(), 1_100);
        assert_eq!(steps.last(), Some(&Insert));
    }

    #[test]
    fn the_tables_of_many_arrays_share_one_budget() {
        let (old, new) = (vec![json!(1), json!(2)], vec![json!(0), json!(1), json!(2), json!(3)]);
        let mut cells_left = 20;
        assert_eq!(align(&old, &new, &mut cells_left), [Insert, Keep, Keep, Insert]);
        assert_eq!(cells_left, 5);
        assert_eq!(align(&old, &new, &mut cells_left), [Keep, Keep, Insert, Insert]);
    }

    #[test]
    fn one_insertion_into_a_long_array_is_still_one_step() {
        let old: Value = (0..100_000).map(|n| json!(n)).collect();
        let mut new = old.clone();
        new.as_array_mut().unwrap().insert(50_000, json!("new"));
        assert_eq!(steps(&old, &new).iter().filter(|step| **step != Keep).count(), 1);
    }
}
