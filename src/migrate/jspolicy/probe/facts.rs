//! What a script compares the request with: for each part of it that it looks at, the values that make a difference.

use std::collections::BTreeMap;

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, ArrayExpressionElement, CallExpression, Expression, MemberExpression, ObjectPropertyKind,
};
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::{NodeId, Semantic, SemanticBuilder};
use oxc::span::{GetSpan as _, SourceType, Span};
use oxc::syntax::operator::BinaryOperator;
use serde_json::{Value, json};

use super::paths::{Path, Paths, Root, Step};
use super::regex::samples;

/// A part of an object that a script looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Part {
    pub fields: BTreeMap<String, Part>,
    pub item: Option<Box<Part>>,
    pub values: Vec<Value>,
}

/// All that is known of what a script looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts {
    pub parts: BTreeMap<Root, Part>,
    /// Texts that stand in the arguments of `get` and `list`.
    pub names: Vec<String>,
    /// Labels of selectors.
    pub labels: Vec<(String, String)>,
}

/// More would only repeat itself.
const MOST_VALUES: usize = 60;

impl Part {
    fn at(&mut self, steps: &[Step]) -> &mut Self {
        match steps.split_first() {
            None => self,
            Some((Step::Field(name), rest)) => self.fields.entry(name.clone()).or_default().at(rest),
            Some((Step::Item, rest)) => self.item.get_or_insert_default().at(rest),
        }
    }

    fn add(&mut self, value: Value) {
        if self.values.len() < MOST_VALUES && !self.values.contains(&value) {
            self.values.push(value);
        }
    }
}

/// The facts of one script; none of what cannot be parsed.
pub(super) fn facts(source: &str, is_typescript: bool) -> Facts {
    let allocator = Allocator::default();
    let source_type = if is_typescript { SourceType::ts() } else { SourceType::mjs() };
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(&allocator, source, source_type).with_options(options).parse();
    if parsed.panicked {
        return Facts::default();
    }
    let built = SemanticBuilder::new().with_build_nodes(true).build(&parsed.program);
    let semantic = &built.semantic;
    let mut reader = Reader { semantic, paths: Paths { semantic }, facts: Facts::default() };
    for node in semantic.nodes() {
        reader.look(node.id(), node.kind());
    }
    for symbol in semantic.scoping().symbol_ids() {
        if let Some(path) = reader.paths.of_symbol_anywhere(symbol) {
            reader.part(&path);
        }
    }
    reader.facts
}

struct Reader<'s, 'a> {
    semantic: &'s Semantic<'a>,
    paths: Paths<'s, 'a>,
    facts: Facts,
}

impl<'a> Reader<'_, 'a> {
    fn part(&mut self, path: &Path) -> &mut Part {
        // What is asked of a text or a list itself is no field of it.
        let steps: Vec<Step> = path
            .steps
            .iter()
            .take_while(|step| !matches!(step, Step::Field(name) if name == "length"))
            .cloned()
            .collect();
        self.facts.parts.entry(path.root.clone()).or_default().at(&steps)
    }

    fn add(&mut self, path: &Path, values: impl IntoIterator<Item = Value>) {
        let is_length = matches!(path.steps.last(), Some(Step::Field(name)) if name == "length");
        let part = self.part(path);
        if !is_length {
            values.into_iter().for_each(|value| part.add(value));
        }
    }

    fn look(&mut self, node: NodeId, kind: AstKind<'a>) {
        match kind {
            AstKind::StaticMemberExpression(member) => {
                let is_method =
                    matches!(self.parent(node), (AstKind::CallExpression(call), span) if call.callee.span() == span);
                let path = self.paths.of(&member.object);
                if let Some(path) = path.filter(|_| !is_method) {
                    self.part(&path.extended(&member.property.name));
                }
            }
            AstKind::ComputedMemberExpression(member) => self.computed(&member.object, &member.expression),
            AstKind::BinaryExpression(binary) => {
                self.compared(binary.operator, &binary.left, &binary.right);
                self.compared(binary.operator, &binary.right, &binary.left);
            }
            AstKind::SwitchStatement(switch) => {
                if let Some(path) = self.paths.of(&switch.discriminant) {
                    let values: Vec<Value> = switch
                        .cases
                        .iter()
                        .filter_map(|case| case.test.as_ref())
                        .flat_map(|test| self.literals(test))
                        .collect();
                    self.add(&path, values);
                }
            }
            AstKind::CallExpression(call) => self.called(call),
            _ => {}
        }
    }

    fn parent(&self, node: NodeId) -> (AstKind<'a>, Span) {
        let nodes = self.semantic.nodes();
        let mut span = nodes.kind(node).span();
        for kind in nodes.ancestor_kinds(node) {
            match kind {
                AstKind::ParenthesizedExpression(_) | AstKind::ChainExpression(_) => span = kind.span(),
                other => return (other, span),
            }
        }
        (nodes.kind(node), span)
    }

    /// `labels[name]`, and `table[request.object.kind]`.
    fn computed(&mut self, object: &'a Expression<'a>, key: &'a Expression<'a>) {
        if let Some(path) = self.paths.of(object) {
            for key in self.literals(key) {
                if let Value::String(key) = key {
                    self.part(&path.clone().extended(&key));
                }
            }
        }
        if let Some(path) = self.paths.of(key) {
            let keys = self.paths.init(object).map(Self::keys).unwrap_or_default();
            self.add(&path, keys);
        }
    }

    fn compared(&mut self, operator: BinaryOperator, left: &'a Expression<'a>, right: &'a Expression<'a>) {
        if operator == BinaryOperator::In {
            if let Some(path) = self.paths.of(right) {
                for key in self.literals(left) {
                    if let Value::String(key) = key {
                        self.part(&path.clone().extended(&key));
                    }
                }
            }
            return;
        }
        if !operator.is_equality() && !operator.is_compare() {
            return;
        }
        let Some(path) = self.paths.of(left) else { return };
        for value in self.literals(right) {
            if let Some(number) = value.as_i64().filter(|_| operator.is_compare()) {
                self.add(&path, [json!(number - 1), json!(number + 1)]);
            }
            self.add(&path, [value]);
        }
    }

    fn called(&mut self, call: &'a CallExpression<'a>) {
        let argument = call.arguments.first().and_then(Argument::as_expression);
        match &call.callee {
            Expression::Identifier(name) if matches!(name.name.as_str(), "get" | "list") => self.asked(call),
            Expression::StaticMemberExpression(member) => {
                let method = member.property.name.as_str();
                let Some(argument) = argument else { return };
                self.method(method, &member.object, argument);
            }
            _ => {}
        }
    }

    fn method(&mut self, method: &str, object: &'a Expression<'a>, argument: &'a Expression<'a>) {
        match method {
            "test" | "exec" => {
                let (Some(path), Some(texts)) = (self.paths.of(argument), self.regex(object)) else { return };
                self.add(&path, texts);
            }
            "match" | "search" | "replace" => {
                let (Some(path), Some(texts)) = (self.paths.of(object), self.regex(argument)) else { return };
                self.add(&path, texts);
            }
            "includes" | "indexOf" | "has" => {
                if let Some(path) = self.paths.of(argument) {
                    let values = self.literals(object);
                    self.add(&path, values);
                }
                self.affixed(object, argument, |text| vec![format!("a{text}b"), text.to_owned()]);
            }
            "startsWith" => self.affixed(object, argument, |text| vec![format!("{text}a"), format!("a{text}")]),
            "endsWith" => self.affixed(object, argument, |text| vec![format!("a{text}"), format!("{text}a")]),
            "hasOwnProperty" | "hasOwn" => {
                if let Some(path) = self.paths.of(object) {
                    for key in self.literals(argument) {
                        if let Value::String(key) = key {
                            self.part(&path.clone().extended(&key));
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn affixed(
        &mut self,
        object: &'a Expression<'a>,
        argument: &'a Expression<'a>,
        forms: impl Fn(&str) -> Vec<String>,
    ) {
        let Some(path) = self.paths.of(object) else { return };
        for value in self.literals(argument) {
            if let Value::String(text) = value {
                self.add(&path, forms(&text).into_iter().map(Value::from));
            }
        }
    }

    /// What is read, by which names.
    fn asked(&mut self, call: &'a CallExpression<'a>) {
        if let Some(path) = self.paths.of_read(call) {
            self.part(&path);
        }
        for argument in call.arguments.iter().skip(2).filter_map(Argument::as_expression) {
            let inside = argument.span();
            for node in self.semantic.nodes() {
                let span = node.kind().span();
                if span.start < inside.start || span.end > inside.end {
                    continue;
                }
                let text = match node.kind() {
                    AstKind::StringLiteral(text) => text.value.to_string(),
                    AstKind::TemplateElement(element) => element.value.raw.to_string(),
                    _ => continue,
                };
                for term in text.split(',') {
                    if let Some((key, value)) = term.split_once('=') {
                        self.facts
                            .labels
                            .push((key.trim_matches(['!', '=']).to_owned(), value.trim_matches('=').to_owned()));
                    }
                }
                self.facts
                    .names
                    .extend(text.split('/').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
            }
        }
    }

    fn regex(&self, expression: &'a Expression<'a>) -> Option<Vec<Value>> {
        match self.paths.init(expression)?.get_inner_expression() {
            Expression::RegExpLiteral(regex) => Some(samples(&regex.regex.pattern.text)),
            Expression::NewExpression(made) => {
                let text = self.paths.text(made.arguments.first()?.as_expression()?)?;
                Some(samples(&text))
            }
            _ => None,
        }
    }

    /// The constants that an expression may be, or hold.
    fn literals(&self, expression: &'a Expression<'a>) -> Vec<Value> {
        match expression.get_inner_expression() {
            Expression::StringLiteral(text) => vec![json!(text.value.as_str())],
            Expression::NumericLiteral(number) => vec![number_of(number.value)],
            Expression::BooleanLiteral(boolean) => vec![json!(boolean.value)],
            Expression::ArrayExpression(list) => list
                .elements
                .iter()
                .filter_map(ArrayExpressionElement::as_expression)
                .flat_map(|element| self.literals(element))
                .collect(),
            Expression::ObjectExpression(object) => {
                object.properties.iter().filter_map(property_key).map(Value::from).collect()
            }
            Expression::NewExpression(made) => {
                made.arguments.iter().filter_map(Argument::as_expression).flat_map(|one| self.literals(one)).collect()
            }
            Expression::BinaryExpression(sum) => {
                // `"prefix/" + name`: with each of the texts that the name may be.
                let (left, right) = (self.literals(&sum.left), self.literals(&sum.right));
                let texts = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
                texts
                    .filter_map(|(left, right)| Some(json!(format!("{}{}", left.as_str()?, right.as_str()?))))
                    .collect()
            }
            identifier @ Expression::Identifier(_) => match self.paths.init(identifier) {
                Some(init) if !std::ptr::eq(init, expression) && !matches!(init, Expression::Identifier(_)) => {
                    self.literals(init)
                }
                _ => self.one_of(identifier),
            },
            _ => Vec::new(),
        }
    }

    /// A name for one item of a list of constants, or one key of an object.
    fn one_of(&self, identifier: &'a Expression<'a>) -> Vec<Value> {
        let Expression::Identifier(name) = identifier else { return Vec::new() };
        let Some(symbol) = name.reference_id.get().and_then(|id| self.semantic.scoping().get_reference(id).symbol_id())
        else {
            return Vec::new();
        };
        let nodes = self.semantic.nodes();
        let declared = self.semantic.scoping().symbol_declaration(symbol);
        for node in std::iter::once(declared).chain(nodes.ancestor_ids(declared)).take(6) {
            let list = match nodes.kind(node) {
                AstKind::ForOfStatement(statement) => &statement.right,
                AstKind::ForInStatement(statement) => &statement.right,
                AstKind::ArrowFunctionExpression(_) | AstKind::Function(_) => match nodes.parent_kind(node) {
                    AstKind::CallExpression(call) => match call.callee.as_member_expression() {
                        Some(MemberExpression::StaticMemberExpression(member)) => &member.object,
                        _ => return Vec::new(),
                    },
                    _ => return Vec::new(),
                },
                _ => continue,
            };
            return self.literals(list);
        }
        Vec::new()
    }

    fn keys(object: &Expression<'_>) -> Vec<Value> {
        match object.get_inner_expression() {
            Expression::ObjectExpression(object) => {
                object.properties.iter().filter_map(property_key).map(Value::from).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn property_key(property: &ObjectPropertyKind<'_>) -> Option<String> {
    match property {
        ObjectPropertyKind::ObjectProperty(property) => property.key.static_name().map(|name| name.to_string()),
        ObjectPropertyKind::SpreadProperty(_) => None,
    }
}

fn number_of(value: f64) -> Value {
    // Whole numbers as JSON has them.
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}
