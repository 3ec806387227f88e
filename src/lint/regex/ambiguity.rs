//! How many ways an automaton has to read one text.

use std::collections::{HashSet, VecDeque};

use super::Growth;
use super::automaton::{Automaton, State};

/// Steps of the search through pairs and triples of states; beyond, nothing is said.
const MAX_STEPS: usize = 2_000_000;

struct Graph<'m> {
    automaton: &'m Automaton,
    next: Vec<Vec<State>>,
    /// Which states lead to each other, by a number; `None` for those that lead to themselves in no way.
    knot: Vec<Option<usize>>,
    steps: std::cell::Cell<usize>,
}

pub(super) fn growth(automaton: &Automaton, pattern: &str) -> Growth {
    if automaton.is_too_large {
        return Growth::Unknown;
    }
    let graph = Graph::of(automaton);
    let knots = graph.knot.iter().flatten().max().map_or(0, |most| most + 1);
    for knot in 0..knots {
        let states: Vec<State> = graph.states_of(knot);
        if let Some((found, is_outer)) = graph.doubled(&states) {
            return Growth::Exponential(automaton.loop_around(&found, is_outer, pattern).to_owned());
        }
    }
    let divided = graph.divided();
    if graph.steps.get() >= MAX_STEPS {
        return Growth::Unknown;
    }
    // A chain of two divisions lets three loops share one text.
    let is_chain = divided.iter().any(|(_, middle)| divided.iter().any(|(from, _)| from == middle));
    if is_chain { Growth::Cubic } else { Growth::Fine }
}

impl<'m> Graph<'m> {
    fn of(automaton: &'m Automaton) -> Self {
        let count = automaton.characters.len();
        let mut next = vec![Vec::new(); count];
        let mut before = vec![Vec::new(); count];
        for (from, to) in automaton.edges.keys() {
            if let (Some(next), Some(before)) = (next.get_mut(*from), before.get_mut(*to)) {
                next.push(*to);
                before.push(*from);
            }
        }
        let mut knot: Vec<Option<usize>> = vec![None; count];
        let mut knots = 0;
        for state in 0..count {
            if knot.get(state).is_some_and(Option::is_some) {
                continue;
            }
            let (ahead, behind) = (reached(&next, state), reached(&before, state));
            let own: Vec<State> = ahead.intersection(&behind).copied().collect();
            if own.contains(&state) {
                for member in own {
                    if let Some(place) = knot.get_mut(member) {
                        *place = Some(knots);
                    }
                }
                knots += 1;
            }
        }
        Self { automaton, next, knot, steps: std::cell::Cell::new(0) }
    }

    fn states_of(&self, knot: usize) -> Vec<State> {
        let states = self.knot.iter().enumerate().filter(|(_, own)| **own == Some(knot));
        states.map(|(state, _)| state).collect()
    }

    fn knot_of(&self, state: State) -> Option<usize> {
        self.knot.get(state).copied().flatten()
    }

    fn after(&self, state: State) -> &[State] {
        self.next.get(state).map_or(&[], Vec::as_slice)
    }

    fn meet(&self, left: State, right: State) -> bool {
        let of = |state: State| self.automaton.characters.get(state);
        matches!((of(left), of(right)), (Some(left), Some(right)) if left.meets(right))
    }

    fn is_spent(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        self.steps.get() >= MAX_STEPS
    }

    /// States of a knot from which one text leads back in two ways; with whether that takes a loop around a loop.
    fn doubled(&self, states: &[State]) -> Option<(Vec<State>, bool)> {
        let edges = &self.automaton.edges;
        let own: HashSet<State> = states.iter().copied().collect();
        let twice = edges.iter().find(|((from, to), ways)| **ways > 1 && own.contains(from) && own.contains(to));
        if let Some(((from, to), _)) = twice {
            return Some((vec![*from, *to], true));
        }
        // From one state by one text to two, and from there by one text to one again.
        let inside = |state: State| self.after(state).iter().copied().filter(|next| own.contains(next));
        let mut parents: Vec<((State, State), (State, State))> = Vec::new();
        let mut seen: HashSet<(State, State)> = states.iter().map(|state| (*state, *state)).collect();
        let mut waiting: VecDeque<(State, State)> = seen.iter().copied().collect();
        while let Some((left, right)) = waiting.pop_front() {
            for next_left in inside(left) {
                for next_right in inside(right) {
                    if self.is_spent() {
                        return None;
                    }
                    if !self.meet(next_left, next_right) {
                        continue;
                    }
                    let pair = (next_left.min(next_right), next_left.max(next_right));
                    parents.push(((left, right), pair));
                    if seen.insert(pair) {
                        waiting.push_back(pair);
                    }
                }
            }
        }
        // Backwards from where they are one.
        let mut back: HashSet<(State, State)> = HashSet::new();
        let mut has_grown = true;
        while has_grown {
            has_grown = false;
            for (from, to) in &parents {
                if self.is_spent() {
                    return None;
                }
                if (to.0 == to.1 || back.contains(to)) && from.0 != from.1 && back.insert(*from) {
                    has_grown = true;
                }
            }
        }
        back.into_iter().min().map(|(left, right)| (vec![left, right], false))
    }

    /// Pairs of knots between which a text can be divided wherever one likes: it leads from a state of the first back to
    /// it, to a state of the second, and from there back to that.
    fn divided(&self) -> HashSet<(usize, usize)> {
        let mut found = HashSet::new();
        let looped = || (0..self.knot.len()).filter_map(|state| Some((state, self.knot_of(state)?)));
        for (first, from) in looped() {
            let ahead = reached(&self.next, first);
            for (second, to) in looped() {
                let is_new = from != to && ahead.contains(&second) && !found.contains(&(from, to));
                if is_new && self.meet(first, second) && self.divides(first, second, from, to) {
                    found.insert((from, to));
                }
            }
        }
        found
    }

    fn divides(&self, first: State, second: State, from: usize, to: usize) -> bool {
        let mut seen = HashSet::from([(first, first, second)]);
        let mut waiting = VecDeque::from([(first, first, second)]);
        while let Some((left, middle, right)) = waiting.pop_front() {
            for next_left in self.after(left).iter().filter(|state| self.knot_of(**state) == Some(from)) {
                for next_right in self.after(right).iter().filter(|state| self.knot_of(**state) == Some(to)) {
                    let of = |state: State| self.automaton.characters.get(state);
                    let (Some(left), Some(right)) = (of(*next_left), of(*next_right)) else { continue };
                    let shared = left.shared(right);
                    for next_middle in self.after(middle) {
                        if self.is_spent() {
                            return false;
                        }
                        if !of(*next_middle).is_some_and(|middle| middle.meets(&shared)) {
                            continue;
                        }
                        let triple = (*next_left, *next_middle, *next_right);
                        if triple == (first, second, second) {
                            return true;
                        }
                        if seen.insert(triple) {
                            waiting.push_back(triple);
                        }
                    }
                }
            }
        }
        false
    }
}

/// All that a state leads to, itself only if it leads back.
fn reached(next: &[Vec<State>], from: State) -> HashSet<State> {
    let mut seen = HashSet::new();
    let mut waiting = vec![from];
    while let Some(state) = waiting.pop() {
        for to in next.get(state).into_iter().flatten() {
            if seen.insert(*to) {
                waiting.push(*to);
            }
        }
    }
    seen
}
