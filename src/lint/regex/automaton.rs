//! Glushkov's automaton of a pattern: a state for each character of it, and how many ways lead from one to the next.

use std::collections::BTreeMap;

use oxc::regular_expression::ast::{Disjunction, Quantifier, Term};
use oxc::span::Span;

use super::characters::Characters;

/// States of one automaton. A pattern that needs more is not looked at.
const MAX_STATES: usize = 400;

/// Steps of making one: a pattern of a few bytes can repeat nothing a million times.
const MAX_STEPS: usize = 1_000_000;

/// Repetitions that are written out; more are taken for any number.
const MAX_COPIES: u64 = 24;

pub(super) type State = usize;

#[derive(Debug, Default)]
pub(super) struct Automaton {
    pub characters: Vec<Characters>,
    /// How many ways lead from a state to another; more than two are two.
    pub edges: BTreeMap<(State, State), u8>,
    /// The loops of the pattern: their place, and the states within.
    pub loops: Vec<(Span, std::ops::Range<State>)>,
    pub is_too_large: bool,
}

/// A part of a pattern.
#[derive(Debug, Clone, Default)]
struct Part {
    first: Vec<State>,
    last: Vec<State>,
    may_be_empty: bool,
}

impl Part {
    fn empty() -> Self {
        Self { may_be_empty: true, ..Self::default() }
    }
}

pub(super) struct Builder<'p> {
    automaton: Automaton,
    ignores_case: bool,
    dot_is_all: bool,
    /// The insides of assertions, which are matched on their own.
    inside: Vec<&'p Disjunction<'p>>,
    steps: usize,
}

impl<'p> Builder<'p> {
    /// The automaton of a pattern, and those of its assertions.
    pub(super) fn build(body: &'p Disjunction<'p>, flags: &str) -> Vec<Automaton> {
        let mut automata = Vec::new();
        let mut waiting = vec![body];
        while let Some(body) = waiting.pop() {
            let mut builder = Builder {
                automaton: Automaton::default(),
                ignores_case: flags.contains('i'),
                dot_is_all: flags.contains('s'),
                inside: Vec::new(),
                steps: 0,
            };
            builder.choice(body);
            waiting.append(&mut builder.inside);
            automata.push(builder.automaton);
        }
        automata
    }

    fn choice(&mut self, body: &'p Disjunction<'p>) -> Part {
        let mut whole = Part::default();
        for alternative in &body.body {
            let mut row = Part::empty();
            for term in &alternative.body {
                let next = self.term(term);
                row = self.then(row, next);
            }
            whole.first.extend(row.first);
            whole.last.extend(row.last);
            whole.may_be_empty |= row.may_be_empty;
        }
        whole
    }

    /// Whether there is more to make of it.
    fn goes_on(&mut self) -> bool {
        self.steps += 1;
        self.automaton.is_too_large |= self.steps > MAX_STEPS;
        !self.automaton.is_too_large
    }

    fn term(&mut self, term: &'p Term<'p>) -> Part {
        if !self.goes_on() {
            return Part::empty();
        }
        match term {
            Term::BoundaryAssertion(_) => Part::empty(),
            Term::LookAroundAssertion(assertion) => {
                self.inside.push(&assertion.body);
                Part::empty()
            }
            Term::Quantifier(quantifier) => self.repeated(quantifier),
            Term::Character(one) => self.state(Characters::one(one.value)),
            Term::Dot(_) if self.dot_is_all => self.state(Characters::all()),
            Term::Dot(_) => self.state(Characters::line()),
            Term::CharacterClassEscape(escape) => self.state(Characters::escape(escape.kind)),
            Term::UnicodePropertyEscape(_) => self.state(Characters::all()),
            Term::CharacterClass(class) => self.state(Characters::class(class)),
            Term::CapturingGroup(group) => self.choice(&group.body),
            Term::IgnoreGroup(group) => self.choice(&group.body),
            // Whatever the group has taken.
            Term::IndexedReference(reference) => self.anything(reference.span),
            Term::NamedReference(reference) => self.anything(reference.span),
        }
    }

    fn anything(&mut self, span: Span) -> Part {
        let from = self.automaton.characters.len();
        let one = self.state(Characters::all());
        self.again(one, span, from)
    }

    fn state(&mut self, characters: Characters) -> Part {
        let state = self.automaton.characters.len();
        if state >= MAX_STATES {
            self.automaton.is_too_large = true;
            return Part::empty();
        }
        let characters = if self.ignores_case { characters.without_case() } else { characters };
        self.automaton.characters.push(characters);
        Part { first: vec![state], last: vec![state], may_be_empty: false }
    }

    fn way(&mut self, from: State, to: State) {
        if !self.goes_on() {
            return;
        }
        let ways = self.automaton.edges.entry((from, to)).or_default();
        *ways = (*ways + 1).min(2);
    }

    fn then(&mut self, left: Part, right: Part) -> Part {
        for from in &left.last {
            for to in &right.first {
                self.way(*from, *to);
            }
        }
        let Part { mut first, last: left_last, may_be_empty } = left;
        if may_be_empty {
            first.extend(right.first);
        }
        let mut last = right.last;
        if right.may_be_empty {
            last.extend(left_last);
        }
        Part { first, last, may_be_empty: may_be_empty && right.may_be_empty }
    }

    /// Any number of times, none included.
    fn again(&mut self, part: Part, span: Span, from: State) -> Part {
        for last in &part.last {
            for first in &part.first {
                self.way(*last, *first);
            }
        }
        self.automaton.loops.push((span, from..self.automaton.characters.len()));
        Part { may_be_empty: true, ..part }
    }

    fn repeated(&mut self, quantifier: &'p Quantifier<'p>) -> Part {
        let (min, max) = (quantifier.min, quantifier.max);
        // Of what is written out too often it is enough that it goes on and on.
        let is_endless = max.is_none_or(|max| max > MAX_COPIES);
        let copies = min.min(MAX_COPIES);
        let mut whole = Part::empty();
        let needed = if is_endless { copies.saturating_sub(1) } else { copies };
        for _ in 0..needed {
            let copy = self.term(&quantifier.body);
            whole = self.then(whole, copy);
        }
        if is_endless {
            let from = self.automaton.characters.len();
            let copy = self.term(&quantifier.body);
            let may_be_empty = copy.may_be_empty || min == 0;
            let looped = Part { may_be_empty, ..self.again(copy, quantifier.span, from) };
            return self.then(whole, looped);
        }
        // `a{0,3}` is `(a(a(a)?)?)?`: one way for each number.
        let optional = max.unwrap_or(min).saturating_sub(copies);
        let copies: Vec<Part> = (0..optional).map(|_| self.term(&quantifier.body)).collect();
        let mut tail = Part::empty();
        for copy in copies.into_iter().rev() {
            tail = Part { may_be_empty: true, ..self.then(copy, tail) };
        }
        self.then(whole, tail)
    }
}

impl Automaton {
    /// A loop around some states, as it is written: the smallest, or with `is_outer` the one around that.
    pub(super) fn loop_around<'p>(&self, states: &[State], is_outer: bool, pattern: &'p str) -> &'p str {
        let holds = |range: &std::ops::Range<State>| states.iter().all(|state| range.contains(state));
        // Of two over the same states the inner one was made first.
        let mut around: Vec<&(Span, std::ops::Range<State>)> =
            self.loops.iter().filter(|(_, range)| holds(range)).collect();
        around.sort_by_key(|(_, range)| range.len());
        let span = around.get(usize::from(is_outer)).or(around.first()).map(|(span, _)| *span);
        span.and_then(|span| pattern.get(span.start as usize..span.end as usize)).unwrap_or(pattern)
    }
}
