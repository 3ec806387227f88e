//! Which parts of the request, and of what is read, a script looks at.

use oxc::ast::AstKind;
use oxc::ast::ast::{Argument, BindingPattern, CallExpression, Expression};
use oxc::semantic::{NodeId, Semantic, SymbolId};
use oxc::span::GetSpan as _;

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// `request.object`.
    Object,
    OldObject,
    /// A field of the request itself.
    Request,
    /// Something read: apiVersion and kind.
    Read(String, String),
    /// The body of a response.
    Response,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// An item of a list.
    Item,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    pub root: Root,
    pub steps: Vec<Step>,
}

impl Path {
    /// One field further.
    pub(super) fn extended(self, name: &str) -> Self {
        self.field(name)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn field(mut self, name: &str) -> Self {
        if self.root == Root::Request && self.steps.is_empty() {
            match name {
                "object" => return Self { root: Root::Object, steps: Vec::new() },
                "oldObject" => return Self { root: Root::OldObject, steps: Vec::new() },
                _ => {}
            }
        }
        self.steps.push(Step::Field(name.to_owned()));
        self
    }
}

const FAR: u32 = 16;

/// Methods that hand each item of a list to a function.
const VISIT: [&str; 10] =
    ["forEach", "map", "filter", "some", "every", "find", "findIndex", "flatMap", "findLast", "reduce"];

/// Methods that answer with the same things, or some of them.
const KEEP: [&str; 9] = ["filter", "slice", "concat", "flat", "sort", "reverse", "toSorted", "values", "trim"];

pub(super) struct Paths<'s, 'a> {
    pub semantic: &'s Semantic<'a>,
}

impl<'a> Paths<'_, 'a> {
    /// The path that an expression reads.
    pub(super) fn of(&self, expression: &'a Expression<'a>) -> Option<Path> {
        self.follow(expression, 0)
    }

    pub(super) fn of_symbol_anywhere(&self, symbol: SymbolId) -> Option<Path> {
        self.of_symbol(symbol, 0)
    }

    /// What a call of `get` or `list` reads.
    pub(super) fn of_read(&self, call: &'a CallExpression<'a>) -> Option<Path> {
        self.of_call(call, 0)
    }

    fn follow(&self, expression: &'a Expression<'a>, depth: u32) -> Option<Path> {
        if depth > FAR {
            return None;
        }
        let next = |expression: &'a Expression<'a>| self.follow(expression, depth + 1);
        match expression.get_inner_expression() {
            Expression::Identifier(name) => {
                let symbol =
                    name.reference_id.get().and_then(|id| self.semantic.scoping().get_reference(id).symbol_id());
                match symbol {
                    None => (name.name == "request").then(|| Path { root: Root::Request, steps: Vec::new() }),
                    Some(symbol) => self.of_symbol(symbol, depth + 1),
                }
            }
            Expression::StaticMemberExpression(member) => {
                next(&member.object).map(|path| path.field(&member.property.name))
            }
            Expression::ComputedMemberExpression(member) => {
                let path = next(&member.object)?;
                match member.expression.get_inner_expression() {
                    Expression::StringLiteral(text) => Some(path.field(&text.value)),
                    _ => Some(path.then(Step::Item)),
                }
            }
            Expression::ChainExpression(chain) => match &chain.expression {
                oxc::ast::ast::ChainElement::CallExpression(call) => self.of_call(call, depth + 1),
                other => match other.as_member_expression()? {
                    oxc::ast::ast::MemberExpression::StaticMemberExpression(member) => {
                        next(&member.object).map(|path| path.field(&member.property.name))
                    }
                    oxc::ast::ast::MemberExpression::ComputedMemberExpression(member) => {
                        let path = next(&member.object)?;
                        match member.expression.get_inner_expression() {
                            Expression::StringLiteral(text) => Some(path.field(&text.value)),
                            _ => Some(path.then(Step::Item)),
                        }
                    }
                    oxc::ast::ast::MemberExpression::PrivateFieldExpression(_) => None,
                },
            },
            Expression::LogicalExpression(logical) => {
                if logical.operator.is_and() {
                    next(&logical.right).or_else(|| next(&logical.left))
                } else {
                    next(&logical.left).or_else(|| next(&logical.right))
                }
            }
            Expression::ConditionalExpression(either) => next(&either.consequent).or_else(|| next(&either.alternate)),
            Expression::AwaitExpression(awaited) => next(&awaited.argument),
            Expression::CallExpression(call) => self.of_call(call, depth + 1),
            Expression::ArrayExpression(list) => list.elements.iter().find_map(|element| match element {
                oxc::ast::ast::ArrayExpressionElement::SpreadElement(spread) => next(&spread.argument),
                _ => None,
            }),
            Expression::ObjectExpression(object) => object.properties.iter().find_map(|property| match property {
                oxc::ast::ast::ObjectPropertyKind::SpreadProperty(spread) => next(&spread.argument),
                oxc::ast::ast::ObjectPropertyKind::ObjectProperty(_) => None,
            }),
            _ => None,
        }
    }

    fn of_call(&self, call: &'a CallExpression<'a>, depth: u32) -> Option<Path> {
        let argument = |at: usize| call.arguments.get(at).and_then(Argument::as_expression);
        match &call.callee {
            Expression::Identifier(name) if matches!(name.name.as_str(), "get" | "list") => {
                let text = |at: usize| self.text(argument(at)?);
                let (kind, version) = (text(0)?, text(1)?);
                let kind = kind.strip_suffix("List").filter(|bare| !bare.is_empty()).unwrap_or(&kind).to_owned();
                let path = Path { root: Root::Read(version, kind), steps: Vec::new() };
                Some(if name.name == "list" { path.then(Step::Item) } else { path })
            }
            Expression::StaticMemberExpression(member) => {
                let method = member.property.name.as_str();
                if KEEP.contains(&method) {
                    let own = self.follow(&member.object, depth);
                    return own
                        .or_else(|| call.arguments.iter().find_map(|one| self.follow(one.as_expression()?, depth)));
                }
                match method {
                    "find" | "at" | "pop" | "shift" => {
                        let path = self.follow(&member.object, depth)?;
                        let is_read = path.steps.last() == Some(&Step::Item) && matches!(path.root, Root::Read(..));
                        Some(if is_read { path } else { path.then(Step::Item) })
                    }
                    "json" => Some(Path { root: Root::Response, steps: Vec::new() }),
                    "assign" => call.arguments.iter().find_map(|one| self.follow(one.as_expression()?, depth)),
                    "keys" | "values" | "entries" if matches!(&member.object, Expression::Identifier(_)) => {
                        self.follow(argument(0)?, depth).map(|path| path.then(Step::Item))
                    }
                    _ => None,
                }
            }
            // A function of the script's own that does little but hand on.
            _ => None,
        }
    }

    fn of_symbol(&self, symbol: SymbolId, depth: u32) -> Option<Path> {
        let nodes = self.semantic.nodes();
        let declared = self.semantic.scoping().symbol_declaration(symbol);
        let mut through: Vec<NodeId> = vec![declared];
        through.extend(nodes.ancestor_ids(declared).take(12));
        for node in through {
            match nodes.kind(node) {
                AstKind::VariableDeclarator(declarator) => {
                    let Some(init) = &declarator.init else { continue };
                    let steps = steps_to(&declarator.id, symbol)?;
                    return self.follow(init, depth).map(|path| walk(path, &steps));
                }
                AstKind::ForOfStatement(statement) => {
                    let declaration = match &statement.left {
                        oxc::ast::ast::ForStatementLeft::VariableDeclaration(declared) => {
                            declared.declarations.first()?
                        }
                        _ => return None,
                    };
                    let steps = steps_to(&declaration.id, symbol)?;
                    return self.items(&statement.right, depth).map(|path| walk(path, &steps));
                }
                AstKind::Function(function) => {
                    return self.of_parameter(node, &function.params, symbol, depth);
                }
                AstKind::ArrowFunctionExpression(arrow) => {
                    return self.of_parameter(node, &arrow.params, symbol, depth);
                }
                _ => {}
            }
        }
        None
    }

    fn items(&self, list: &'a Expression<'a>, depth: u32) -> Option<Path> {
        let path = self.follow(list, depth)?;
        let is_list = matches!(path.root, Root::Read(..)) && path.steps.as_slice() == [Step::Item];
        Some(if is_list { path } else { path.then(Step::Item) })
    }

    fn of_parameter(
        &self,
        function: NodeId,
        params: &'a oxc::ast::ast::FormalParameters<'a>,
        symbol: SymbolId,
        depth: u32,
    ) -> Option<Path> {
        let (at, steps) =
            params.items.iter().enumerate().find_map(|(at, param)| Some((at, steps_to(&param.pattern, symbol)?)))?;
        let nodes = self.semantic.nodes();
        let span = nodes.kind(function).span();
        match nodes.parent_kind(function) {
            AstKind::CallExpression(call) => {
                let Expression::StaticMemberExpression(member) = &call.callee else { return None };
                let method = member.property.name.as_str();
                let is_item = if method == "reduce" { at == 1 } else { at == 0 };
                if !VISIT.contains(&method) || !is_item || call.callee.span() == span {
                    return None;
                }
                self.items(&member.object, depth).map(|path| walk(path, &steps))
            }
            AstKind::VariableDeclarator(declarator) => {
                let name = declarator.id.get_binding_identifier()?;
                self.called_with(name.symbol_id(), at, &steps, depth)
            }
            _ => match nodes.kind(function) {
                AstKind::Function(declared) => self.called_with(declared.id.as_ref()?.symbol_id(), at, &steps, depth),
                _ => None,
            },
        }
    }

    /// What a function of the script's own is called with.
    fn called_with(&self, function: SymbolId, at: usize, steps: &[Step], depth: u32) -> Option<Path> {
        let nodes = self.semantic.nodes();
        self.semantic.scoping().get_resolved_references(function).find_map(|reference| {
            let node = reference.node_id();
            let AstKind::CallExpression(call) = nodes.parent_kind(node) else { return None };
            if call.callee.span() == nodes.kind(node).span() {
                let argument = call.arguments.get(at)?.as_expression()?;
                return self.follow(argument, depth).map(|path| walk(path, steps));
            }
            // Handed to a method by its name: `containers.filter(isBad)`.
            let Expression::StaticMemberExpression(member) = &call.callee else { return None };
            if at != 0 || !VISIT.contains(&member.property.name.as_str()) {
                return None;
            }
            self.items(&member.object, depth).map(|path| walk(path, steps))
        })
    }

    pub(super) fn text(&self, expression: &'a Expression<'a>) -> Option<String> {
        match expression.get_inner_expression() {
            Expression::StringLiteral(text) => Some(text.value.to_string()),
            Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
                template.quasis.first()?.value.cooked.as_ref().map(ToString::to_string)
            }
            Expression::Identifier(_) => self.text(self.init(expression)?),
            _ => None,
        }
    }

    /// What a name stands for.
    pub(super) fn init(&self, expression: &'a Expression<'a>) -> Option<&'a Expression<'a>> {
        let Expression::Identifier(name) = expression.get_inner_expression() else { return Some(expression) };
        let scoping = self.semantic.scoping();
        let symbol = scoping.get_reference(name.reference_id.get()?).symbol_id();
        let Some(symbol) = symbol else {
            // Assigned and never declared.
            return self.assigned(&name.name);
        };
        let declared = scoping.symbol_declaration(symbol);
        let mut around = std::iter::once(declared).chain(self.semantic.nodes().ancestor_ids(declared)).take(3);
        around.find_map(|node| match self.semantic.nodes().kind(node) {
            AstKind::VariableDeclarator(declarator) if declarator.id.get_binding_identifier().is_some() => {
                declarator.init.as_ref()
            }
            _ => None,
        })
    }

    fn assigned(&self, name: &str) -> Option<&'a Expression<'a>> {
        self.semantic.nodes().iter().find_map(|node| match node.kind() {
            AstKind::AssignmentExpression(assignment) => match &assignment.left {
                oxc::ast::ast::AssignmentTarget::AssignmentTargetIdentifier(target) if target.name == name => {
                    Some(&assignment.right)
                }
                _ => None,
            },
            _ => None,
        })
    }
}

fn walk(mut path: Path, steps: &[Step]) -> Path {
    for step in steps {
        path = match step {
            Step::Field(name) => path.field(name),
            Step::Item => path.then(Step::Item),
        };
    }
    path
}

/// The way through a pattern to one of its names.
fn steps_to(pattern: &BindingPattern<'_>, symbol: SymbolId) -> Option<Vec<Step>> {
    match pattern {
        BindingPattern::BindingIdentifier(name) => (name.symbol_id() == symbol).then(Vec::new),
        BindingPattern::AssignmentPattern(assigned) => steps_to(&assigned.left, symbol),
        BindingPattern::ObjectPattern(object) => object.properties.iter().find_map(|property| {
            let mut steps = vec![Step::Field(property.key.static_name()?.to_string())];
            steps.extend(steps_to(&property.value, symbol)?);
            Some(steps)
        }),
        BindingPattern::ArrayPattern(list) => list.elements.iter().flatten().find_map(|element| {
            let mut steps = vec![Step::Item];
            steps.extend(steps_to(element, symbol)?);
            Some(steps)
        }),
    }
}
