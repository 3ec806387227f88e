//! The policies that a source declares: each `policy({ … })` with its handlers, or the script that is one.

use std::sync::Arc;

use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, CallExpression, Expression, FormalParameters, ObjectExpression, ObjectProperty, ObjectPropertyKind,
    TSType, TSTypeName,
};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::{GetSpan as _, Span};

use crate::lint::kubernetes::{Shape, joined, resources, types};
use crate::lint::source::{Language, Source};
use crate::matching::WORKLOADS;
use crate::policy::PolicySpec;

use super::Specs;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lint) enum HandlerKind {
    Validate,
    Mutate,
    Reconcile,
}

pub(in crate::lint) struct Handler<'a> {
    pub kind: HandlerKind,
    pub parameters: &'a FormalParameters<'a>,
    /// The node of the function.
    pub node: NodeId,
}

pub(in crate::lint) struct Declared<'a> {
    /// The argument of `policy(…)`; `None` for a script.
    pub object: Option<&'a ObjectExpression<'a>>,
    /// `policy`, or for a script its first byte.
    pub span: Span,
    pub handlers: Vec<Handler<'a>>,
    pub spec: Option<Arc<PolicySpec>>,
    /// What `object` is in its handlers.
    pub shape: Shape,
}

pub(super) fn find<'a>(source: &Source, semantic: &Semantic<'a>, specs: &Specs<'_>) -> Vec<Declared<'a>> {
    if source.language == Language::Script {
        let spec = specs.of(source.policy.as_deref(), 1);
        let shape = shape_of(spec.as_deref(), None);
        return vec![Declared { object: None, span: Span::new(0, 1), handlers: Vec::new(), spec, shape }];
    }
    let calls: Vec<&'a CallExpression<'a>> = semantic
        .nodes()
        .iter()
        .filter_map(|node| match node.kind() {
            AstKind::CallExpression(call) if is_policy_call(semantic, call) => Some(call),
            _ => None,
        })
        .collect();
    let count = calls.len();
    calls.into_iter().map(|call| declared(source, semantic, call, specs, count)).collect()
}

fn is_policy_call(semantic: &Semantic<'_>, call: &CallExpression<'_>) -> bool {
    call.callee.get_identifier_reference().is_some_and(|name| {
        let symbol = semantic.scoping().get_reference(name.reference_id()).symbol_id();
        symbol.is_some_and(|symbol| imported(semantic, symbol) == Some(("@bylaw/sdk", "policy")))
    })
}

/// The module and the name there of an imported symbol.
pub(super) fn imported<'a>(semantic: &Semantic<'a>, symbol: SymbolId) -> Option<(&'a str, &'a str)> {
    let declaration = semantic.symbol_declaration(symbol);
    let AstKind::ImportSpecifier(specifier) = declaration.kind() else { return None };
    let AstKind::ImportDeclaration(statement) = semantic.nodes().parent_kind(declaration.id()) else { return None };
    Some((statement.source.value.as_str(), specifier.imported.name().as_str()))
}

fn declared<'a>(
    source: &Source,
    semantic: &Semantic<'a>,
    call: &'a CallExpression<'a>,
    specs: &Specs<'_>,
    count: usize,
) -> Declared<'a> {
    let object =
        call.arguments.first().and_then(|argument| argument.as_expression()).and_then(|argument| {
            match argument.get_inner_expression() {
                Expression::ObjectExpression(object) => Some(&**object),
                _ => None,
            }
        });
    let name = object.and_then(|object| property(object, "name")).and_then(|name| string_of(&name.value));
    let name = source.policy.as_deref().or(name.map(|(name, _)| name));
    let spec = specs.of(name, count);
    let typed = call.type_arguments.as_ref().and_then(|arguments| arguments.params.first());
    let typed = typed.and_then(|of| kubernetes_type(semantic, of));
    let shape = shape_of(spec.as_deref(), typed);
    let handlers = object.map(|object| handlers(semantic, object)).unwrap_or_default();
    Declared { object, span: call.callee.span(), handlers, spec, shape }
}

fn handlers<'a>(semantic: &Semantic<'a>, object: &'a ObjectExpression<'a>) -> Vec<Handler<'a>> {
    let kinds =
        [("validate", HandlerKind::Validate), ("mutate", HandlerKind::Mutate), ("reconcile", HandlerKind::Reconcile)];
    let handler = |(name, kind)| {
        let (parameters, node) = function(semantic, &property(object, name)?.value)?;
        Some(Handler { kind, parameters, node })
    };
    kinds.into_iter().filter_map(handler).collect()
}

/// The function that an expression is, or names.
fn function<'a>(semantic: &Semantic<'a>, expression: &'a Expression<'a>) -> Option<(&'a FormalParameters<'a>, NodeId)> {
    match expression.get_inner_expression() {
        Expression::FunctionExpression(function) => Some((&function.params, function.node_id.get())),
        Expression::ArrowFunctionExpression(arrow) => Some((&arrow.params, arrow.node_id.get())),
        Expression::Identifier(name) => {
            let symbol = semantic.scoping().get_reference(name.reference_id()).symbol_id()?;
            match semantic.symbol_declaration(symbol).kind() {
                AstKind::Function(function) => Some((&function.params, function.node_id.get())),
                AstKind::VariableDeclarator(declarator) => match declarator.init.as_ref()?.get_inner_expression() {
                    Expression::FunctionExpression(function) => Some((&function.params, function.node_id.get())),
                    Expression::ArrowFunctionExpression(arrow) => Some((&arrow.params, arrow.node_id.get())),
                    _ => None,
                },
                _ => None,
            }
        }
        _ => None,
    }
}

/// A property of an object literal, by its name.
pub(in crate::lint) fn property<'a>(object: &'a ObjectExpression<'a>, name: &str) -> Option<&'a ObjectProperty<'a>> {
    object.properties.iter().find_map(|property| match property {
        ObjectPropertyKind::ObjectProperty(property) => {
            property.key.static_name().filter(|key| key == name).map(|_| &**property)
        }
        ObjectPropertyKind::SpreadProperty(_) => None,
    })
}

/// A string literal, or a template without holes, and its place.
pub(in crate::lint) fn string_of<'a>(expression: &'a Expression<'a>) -> Option<(&'a str, Span)> {
    match expression.get_inner_expression() {
        Expression::StringLiteral(text) => Some((text.value.as_str(), text.span)),
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
            let text = template.quasis.first()?.value.cooked.as_ref()?;
            Some((text.as_str(), template.span))
        }
        _ => None,
    }
}

/// The arguments of a call that are plain expressions.
pub(in crate::lint) fn entries<'a>(arguments: &'a [Argument<'a>]) -> impl Iterator<Item = Option<&'a Expression<'a>>> {
    arguments.iter().map(|argument| argument.as_expression())
}

/// What a policy is asked about: by its match, else as its author typed it.
fn shape_of(spec: Option<&PolicySpec>, typed: Option<Shape>) -> Shape {
    spec.and_then(matched).or(typed).unwrap_or_else(|| types().any_object())
}

/// `None` where anything could come.
fn matched(spec: &PolicySpec) -> Option<Shape> {
    let rules = &spec.rules;
    if rules.api_groups.iter().any(|group| !resources().is_group(group)) {
        return None;
    }
    let mut kinds = Vec::new();
    for pattern in rules.resources.iter().map(String::as_str) {
        let meant = resources().meant(&rules.api_groups, pattern);
        if pattern.starts_with('*') || meant.is_empty() {
            return None;
        }
        for resource in meant {
            let versions = &rules.api_versions;
            if !versions.is_empty() && !versions.iter().any(|version| version == "*" || version == resource.version) {
                continue;
            }
            let is_template = rules.workloads && WORKLOADS.contains(&(resource.group, resource.name));
            kinds.push(types().kind(if is_template { "v1/Pod" } else { resource.kind })?);
        }
    }
    joined(kinds)
}

/// A type of `@bylaw/sdk/k8s/…`, or a list or a part of one.
pub(super) fn kubernetes_type(semantic: &Semantic<'_>, of: &TSType<'_>) -> Option<Shape> {
    match of {
        TSType::TSParenthesizedType(inner) => kubernetes_type(semantic, &inner.type_annotation),
        TSType::TSArrayType(list) => {
            kubernetes_type(semantic, &list.element_type).map(|item| Shape::List(Box::new(item)))
        }
        TSType::TSTypeOperatorType(operator) => kubernetes_type(semantic, &operator.type_annotation),
        TSType::TSUnionType(union) => {
            let is_nothing = |of: &&TSType<'_>| matches!(of, TSType::TSNullKeyword(_) | TSType::TSUndefinedKeyword(_));
            let shapes: Option<Vec<Shape>> =
                union.types.iter().filter(|of| !is_nothing(of)).map(|of| kubernetes_type(semantic, of)).collect();
            joined(shapes?)
        }
        TSType::TSTypeReference(reference) => {
            let TSTypeName::IdentifierReference(name) = &reference.type_name else { return None };
            let symbol = semantic.scoping().get_reference(name.reference_id()).symbol_id();
            let inner = || reference.type_arguments.as_ref().and_then(|of| of.params.first());
            match symbol.and_then(|symbol| imported(semantic, symbol)) {
                Some(("@bylaw/sdk", "DeepReadonly")) => kubernetes_type(semantic, inner()?),
                Some(("@bylaw/sdk", "KubernetesObject")) => Some(types().any_object()),
                Some((module, name)) => types().named(module.strip_prefix("@bylaw/sdk/k8s/")?, name),
                None if matches!(name.name.as_str(), "Readonly" | "NonNullable" | "Required") => {
                    kubernetes_type(semantic, inner()?)
                }
                None if matches!(name.name.as_str(), "Array" | "ReadonlyArray") => {
                    kubernetes_type(semantic, inner()?).map(|item| Shape::List(Box::new(item)))
                }
                None => None,
            }
        }
        _ => None,
    }
}
