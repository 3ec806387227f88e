//! Writes to properties: whose the object is.

use oxc::ast::AstKind;
use oxc::ast::ast::{
    Argument, AssignmentOperator, BindingPattern, CallExpression, Expression, ForStatementLeft, LogicalOperator,
};
use oxc::semantic::{NodeId, SymbolId};
use oxc::span::{GetSpan as _, Span};

use super::names::OF_THE_RUN;
use super::{Checked, Proof, against};

/// How far it is followed where a value comes from.
const FAR: u32 = 12;

/// Properties that lead from an object of the script's to one of the realm's, or that a frozen prototype refuses.
const OF_THE_REALM: [&str; 62] = [
    "__proto__",
    "prototype",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toString",
    "toLocaleString",
    "valueOf",
    "at",
    "concat",
    "copyWithin",
    "entries",
    "every",
    "fill",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flat",
    "flatMap",
    "forEach",
    "includes",
    "indexOf",
    "join",
    "keys",
    "lastIndexOf",
    "map",
    "pop",
    "push",
    "reduce",
    "reduceRight",
    "reverse",
    "shift",
    "slice",
    "some",
    "sort",
    "splice",
    "toReversed",
    "toSorted",
    "toSpliced",
    "unshift",
    "values",
    "with",
    "apply",
    "bind",
    "call",
    "charAt",
    "charCodeAt",
    "endsWith",
    "match",
    "replace",
    "split",
    "startsWith",
    "substring",
    "trim",
    "toLowerCase",
    "toUpperCase",
    "exec",
    "test",
    "repeat",
];

/// Functions that make an object of its own for whoever calls them.
const MAKERS: [(&str, &[&str]); 3] =
    [("JSON", &["parse"]), ("Object", &["keys", "values", "entries", "fromEntries"]), ("Array", &["from", "of"])];

impl<'a> Proof<'_, 'a> {
    /// Whether the member expression at `node` is assigned to, counted up, deleted or a target of destructuring.
    pub(super) fn is_written(&self, node: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut written = nodes.kind(node).span();
        for around in nodes.ancestor_kinds(node) {
            match around {
                AstKind::ChainExpression(chain) => written = chain.span,
                AstKind::ParenthesizedExpression(outer) => written = outer.span,
                AstKind::AssignmentExpression(assignment) => return assignment.left.span() == written,
                AstKind::ForOfStatement(statement) => return statement.left.span() == written,
                AstKind::ForInStatement(statement) => return statement.left.span() == written,
                AstKind::UnaryExpression(unary) => return unary.operator.is_delete(),
                AstKind::UpdateExpression(_) | AstKind::ArrayAssignmentTarget(_) | AstKind::AssignmentTargetRest(_) => {
                    return true;
                }
                AstKind::AssignmentTargetPropertyProperty(property) => return property.binding.span() == written,
                AstKind::AssignmentTargetWithDefault(target) => return target.binding.span() == written,
                _ => return false,
            }
        }
        false
    }

    /// A write through the name of an intrinsic.
    pub(super) fn check_write(&self, node: NodeId, object: &Expression<'a>) -> Checked {
        if self.is_written(node) { self.check_target(object) } else { Ok(()) }
    }

    /// The same by `Object.assign` and its like.
    pub(super) fn check_call(&self, call: &CallExpression<'a>) -> Checked {
        match self.changed_by(call) {
            Some(first) => self.check_target(first),
            None => Ok(()),
        }
    }

    fn check_target(&self, object: &Expression<'a>) -> Checked {
        let is_own = |name: &&str| OF_THE_RUN.contains(name) || *name == "arguments";
        match self.free_name(root(object)).filter(|name| !is_own(name)) {
            Some(name) => against(object.span(), format!("it changes `{name}`, or what belongs to it")),
            None => Ok(()),
        }
    }

    /// The object that a call of `Object.assign` or its like changes.
    fn changed_by<'e>(&self, call: &'e CallExpression<'a>) -> Option<&'e Expression<'a>> {
        let Expression::StaticMemberExpression(member) = &call.callee else { return None };
        let changes =
            ["assign", "defineProperty", "defineProperties", "setPrototypeOf", "freeze", "seal", "preventExtensions"];
        let is_change =
            self.free_name(&member.object) == Some("Object") && changes.contains(&member.property.name.as_str());
        call.arguments.first().and_then(Argument::as_expression).filter(|_| is_change)
    }

    /// Where a refusal could be caught: every write is to an object of the script's own.
    pub(super) fn check_all_writes(&self) -> Checked {
        let nodes = self.semantic.nodes();
        let not_own = |span: Span| against(span, "it writes to an object that may belong to the realm");
        for node in nodes {
            match node.kind() {
                AstKind::StaticMemberExpression(member) if self.is_written(node.id()) => {
                    let name = member.property.name.as_str();
                    if OF_THE_REALM.contains(&name) || !self.is_own(&member.object, FAR) {
                        return not_own(member.span);
                    }
                }
                AstKind::ComputedMemberExpression(member)
                    if self.is_written(node.id()) && !self.is_own(&member.object, FAR) =>
                {
                    return not_own(member.span);
                }
                AstKind::CallExpression(call) => {
                    if let Some(first) = self.changed_by(call).filter(|first| !self.is_own(first, FAR)) {
                        return not_own(first.span());
                    }
                }
                AstKind::Class(class) if class.heritage.is_some() => return not_own(class.span),
                // By another name its functions could change anything.
                AstKind::IdentifierReference(name)
                    if self.is_free(name)
                        && name.name == "Object"
                        && !matches!(nodes.parent_kind(node.id()), AstKind::StaticMemberExpression(_)) =>
                {
                    return not_own(name.span);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a value was made by this run, or is a part of such a one.
    fn is_own(&self, expression: &Expression<'a>, far: u32) -> bool {
        let Some(far) = far.checked_sub(1) else { return false };
        match expression.without_parentheses() {
            Expression::ObjectExpression(_)
            | Expression::ArrayExpression(_)
            | Expression::FunctionExpression(_)
            | Expression::ArrowFunctionExpression(_)
            | Expression::RegExpLiteral(_) => true,
            Expression::Identifier(_) => match (self.free_name(expression), self.symbol(expression)) {
                (Some(name), _) => OF_THE_RUN.contains(&name),
                (None, Some(symbol)) => self.holds_own(symbol, far),
                (None, None) => false,
            },
            Expression::StaticMemberExpression(member) => {
                !OF_THE_REALM.contains(&member.property.name.as_str()) && self.is_own(&member.object, far)
            }
            Expression::ChainExpression(chain) => chain.expression.as_member_expression().is_some_and(|member| {
                member.static_property_name().is_some_and(|name| !OF_THE_REALM.contains(&name))
                    && self.is_own(member.object(), far)
            }),
            Expression::LogicalExpression(logic) if logic.operator != LogicalOperator::And => {
                self.is_own(&logic.left, far) && self.is_own(&logic.right, far)
            }
            Expression::ConditionalExpression(choice) => {
                self.is_own(&choice.consequent, far) && self.is_own(&choice.alternate, far)
            }
            Expression::CallExpression(call) => self.makes_own(call),
            Expression::NewExpression(made) => matches!(self.free_name(&made.callee), Some("Map" | "Set" | "Array")),
            _ => false,
        }
    }

    fn makes_own(&self, call: &CallExpression<'a>) -> bool {
        let Expression::StaticMemberExpression(member) = &call.callee else { return false };
        let name = member.property.name.as_str();
        let maker = self.free_name(&member.object);
        MAKERS.iter().any(|(object, functions)| maker == Some(*object) && functions.contains(&name))
    }

    /// Whether all that a variable is ever given is the script's own.
    fn holds_own(&self, symbol: SymbolId, far: u32) -> bool {
        let nodes = self.semantic.nodes();
        let declaration = self.semantic.symbol_declaration(symbol);
        let is_declared_own = match declaration.kind() {
            AstKind::Function(_) => true,
            AstKind::VariableDeclarator(declarator) => match &declarator.init {
                Some(init) => is_plain_pattern(&declarator.id) && self.is_own(init, far),
                None => self.is_part_of_own(declaration.id(), &declarator.id, far),
            },
            _ => false,
        };
        let references = self.semantic.scoping().get_resolved_references(symbol);
        is_declared_own
            && references.filter(|reference| reference.is_write()).all(|reference| {
                matches!(nodes.parent_kind(reference.node_id()), AstKind::AssignmentExpression(assignment)
                    if assignment.operator == AssignmentOperator::Assign
                        && assignment.left.span() == nodes.kind(reference.node_id()).span()
                        && self.is_own(&assignment.right, far))
            })
    }

    /// `let x;`, or `for (const x of own)`.
    fn is_part_of_own(&self, declarator: NodeId, pattern: &BindingPattern<'a>, far: u32) -> bool {
        let nodes = self.semantic.nodes();
        let statement = nodes.ancestor_kinds(declarator).nth(1);
        let declaration = nodes.parent_kind(declarator).span();
        let is_head = |left: &ForStatementLeft<'a>| left.span() == declaration;
        match statement {
            Some(AstKind::ForOfStatement(statement)) if is_head(&statement.left) => {
                is_plain_pattern(pattern) && self.is_own(&statement.right, far)
            }
            Some(AstKind::ForInStatement(_)) => false,
            _ => true,
        }
    }
}

/// A name, or names of properties that are nobody's but the object's.
fn is_plain_pattern(pattern: &BindingPattern<'_>) -> bool {
    match pattern {
        BindingPattern::BindingIdentifier(_) => true,
        BindingPattern::ObjectPattern(pattern) => pattern.properties.iter().all(|property| {
            property.key.static_name().is_some_and(|name| !OF_THE_REALM.contains(&&*name))
                && matches!(property.value, BindingPattern::BindingIdentifier(_))
        }),
        BindingPattern::ArrayPattern(_) | BindingPattern::AssignmentPattern(_) => false,
    }
}

/// What the properties are read from: `a` of `a.b.c[d]`.
fn root<'e, 'a>(expression: &'e Expression<'a>) -> &'e Expression<'a> {
    let mut at = expression.get_inner_expression();
    loop {
        at = match at {
            Expression::StaticMemberExpression(member) => member.object.get_inner_expression(),
            Expression::ComputedMemberExpression(member) => member.object.get_inner_expression(),
            Expression::ChainExpression(chain) => match chain.expression.as_member_expression() {
                Some(member) => member.object().get_inner_expression(),
                None => return at,
            },
            _ => return at,
        };
    }
}
