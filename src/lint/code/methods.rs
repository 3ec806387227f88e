//! What calls answer and what callbacks are given: the methods of lists, the helpers of the SDK, `get` and `list`.

use oxc::ast::AstKind;
use oxc::ast::ast::{ArrowFunctionBody, CallExpression, Expression};
use oxc::semantic::NodeId;
use oxc::span::GetSpan as _;

use crate::lint::kubernetes::{Shape, types};

use super::declared::{entries, kubernetes_type, string_of};
use super::value::{HostFunction, Value, Values, What};

/// Methods that give an item, the list again, or what the callback makes.
const TO_ITEM: [&str; 5] = ["at", "find", "findLast", "pop", "shift"];
const TO_LIST: [&str; 8] = ["concat", "filter", "reverse", "slice", "sort", "toReversed", "toSorted", "splice"];
/// Methods whose callback is given items first.
const OF_ITEMS: [&str; 11] =
    ["every", "filter", "find", "findIndex", "findLast", "findLastIndex", "flatMap", "forEach", "map", "some", "group"];

pub(super) fn answer<'a>(values: &Values<'_, 'a>, call: &'a CallExpression<'a>, depth: usize) -> Value {
    if let Some((of, method)) = method(call) {
        let object = of.get_identifier_reference().map(|name| name.name.as_str());
        let first = || entries(&call.arguments).next().flatten();
        if let (Some("Object"), Some(argument)) = (object, first()) {
            return of_object(method, values.follow(argument, depth));
        }
        let of = values.follow(of, depth);
        if TO_ITEM.contains(&method) {
            return if matches!(of.shape, Shape::List(_)) { of.item() } else { Value::UNKNOWN };
        }
        if TO_LIST.contains(&method) {
            return of;
        }
        if matches!(method, "map" | "flatMap") && matches!(of.shape, Shape::List(_)) {
            let made = first().and_then(returned).map_or(Value::UNKNOWN, |made| values.follow(made, depth));
            let shape = if method == "map" && made.shape != Shape::Any {
                Shape::List(Box::new(made.shape))
            } else {
                made.shape
            };
            return Value::of_shape(shape);
        }
    }
    match values.follow(&call.callee, depth).what {
        What::Function { function: HostFunction::Get, .. } => Value::of_shape(asked(values, call)),
        What::Function { function: HostFunction::List, .. } => {
            let item = asked(values, call);
            Value::of_shape(if item == Shape::Any { item } else { Shape::List(Box::new(item)) })
        }
        What::Sdk(name) if name == "containers" => {
            let item = types().named("sdk", "PodContainer").unwrap_or(Shape::Any);
            Value::of_shape(Shape::List(Box::new(item)))
        }
        _ if call.callee.is_specific_id("structuredClone") => {
            let argument = entries(&call.arguments).next().flatten();
            Value::of_shape(argument.map_or(Shape::Any, |argument| values.follow(argument, depth).shape))
        }
        _ => Value::UNKNOWN,
    }
}

/// `Object.values(map)` and its kin.
fn of_object(method: &str, of: Value) -> Value {
    match (method, of.shape) {
        ("values", Shape::Map(value)) => Value::of_shape(Shape::List(value)),
        ("freeze" | "assign", shape) => Value { what: of.what, shape },
        _ => Value::UNKNOWN,
    }
}

/// The object and the name of a method call.
pub(in crate::lint) fn method<'a>(call: &'a CallExpression<'a>) -> Option<(&'a Expression<'a>, &'a str)> {
    match call.callee.get_inner_expression() {
        Expression::StaticMemberExpression(member) => Some((&member.object, member.property.name.as_str())),
        _ => None,
    }
}

/// The expression that an arrow function consists of.
fn returned<'a>(function: &'a Expression<'a>) -> Option<&'a Expression<'a>> {
    match function.get_inner_expression() {
        Expression::ArrowFunctionExpression(arrow) => match &arrow.body {
            ArrowFunctionBody::FunctionBody(_) => None,
            body => body.as_expression(),
        },
        _ => None,
    }
}

/// The type of the kind that `get` or `list` is called for.
fn asked(values: &Values<'_, '_>, call: &CallExpression<'_>) -> Shape {
    let typed = call.type_arguments.as_ref().and_then(|arguments| arguments.params.first());
    let typed = typed.and_then(|of| kubernetes_type(values.semantic(), of));
    kind_asked(values.is_script(), call).and_then(|kind| types().kind(&kind)).or(typed).unwrap_or(Shape::Any)
}

/// The kind in the arguments of a call, where it is written there: `("v1/ConfigMap", …)`, in a script
/// `("ConfigMap", "v1", …)`.
pub(in crate::lint) fn kind_asked(is_script: bool, call: &CallExpression<'_>) -> Option<String> {
    let mut arguments = entries(&call.arguments);
    let (first, _) = string_of(arguments.next()??)?;
    if !is_script {
        return Some(first.to_owned());
    }
    let (version, _) = string_of(arguments.next()??)?;
    Some(format!("{version}/{first}"))
}

/// What a function is given that is itself an argument of a list's method.
pub(super) fn callback(values: &Values<'_, '_>, function: NodeId, index: usize, depth: usize) -> Option<Value> {
    let nodes = values.semantic().nodes();
    let AstKind::CallExpression(call) = nodes.parent_kind(function) else { return None };
    let span = nodes.kind(function).span();
    let is_first = entries(&call.arguments).next().flatten().is_some_and(|argument| argument.span() == span);
    let (of, method) = method(call).filter(|_| is_first)?;
    let is_item = match method {
        "reduce" | "reduceRight" => index == 1,
        "sort" | "toSorted" => true,
        _ => OF_ITEMS.contains(&method) && index == 0,
    };
    let of = values.follow(of, depth);
    (is_item && matches!(of.shape, Shape::List(_))).then(|| of.item())
}
