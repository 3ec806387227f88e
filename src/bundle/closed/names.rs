//! Names: of globals that a closed script may use, and of properties that show what lockdown changes.

use oxc::ast::AstKind;
use oxc::ast::ast::{IdentifierReference, UnaryOperator};
use oxc::semantic::NodeId;
use oxc::span::{GetSpan as _, Span};

use super::{ASYNCHRONOUS, Checked, Proof, against};

/// What each run has of its own; the objects among them are the script's to change.
pub(super) const OF_THE_RUN: [&str; 4] = ["request", "exports", "__response", "__policy"];

/// Functions of jsPolicy that wait, or change something outside.
const EFFECTS: [&str; 9] =
    ["sleep", "fetchSync", "create", "update", "remove", "__create", "__update", "__remove", "__fetchSync"];

/// Functions of jsPolicy that may have to wait for an answer.
const READS: [&str; 5] = ["get", "list", "__get", "__list", "readFileSync"];

/// All the others.
const QUICK: [&str; 13] = [
    "allow", "exit", "deny", "mutate", "requeue", "warn", "print", "env", "atob", "btoa", "__exit", "__throw",
    "console",
];

/// Globals of a fresh realm that lockdown takes away.
const GONE: [&str; 3] = ["escape", "unescape", "Temporal"];

/// Functions of `Reflect` that change nothing.
const REFLECTS: [&str; 5] = ["has", "get", "apply", "construct", "getPrototypeOf"];

/// Properties that tell a locked-down realm from a fresh one.
const TELLING: [&str; 12] = [
    "getOwnPropertyDescriptor",
    "getOwnPropertyDescriptors",
    "getOwnPropertyNames",
    "isFrozen",
    "isSealed",
    "isExtensible",
    "__lookupGetter__",
    "__lookupSetter__",
    "captureStackTrace",
    "prepareStackTrace",
    "stackTraceLimit",
    "callee",
];

impl<'a> Proof<'_, 'a> {
    pub(super) fn is_free(&self, name: &IdentifierReference<'a>) -> bool {
        self.semantic.scoping().get_reference(name.reference_id()).symbol_id().is_none()
    }

    pub(super) fn check_free_name(&mut self, node: NodeId, name: &IdentifierReference<'a>) -> Checked {
        let is_write = self.semantic.scoping().get_reference(name.reference_id()).is_write();
        if name.name == "arguments" {
            return self.check_arguments(node, name.span);
        }
        if is_write {
            // They are looked at together.
            return Ok(());
        }
        let parent = self.semantic.nodes().parent_kind(node);
        let is_typeof = matches!(parent, AstKind::UnaryExpression(unary) if unary.operator == UnaryOperator::Typeof);
        match name.name.as_str() {
            "globalThis" if is_typeof => Ok(()),
            "globalThis" => match parent {
                AstKind::StaticMemberExpression(member) if member.object.span() == name.span => {
                    self.check_global(node, &member.property.name, name.span, parent, false)
                }
                _ => Ok(()),
            },
            other => self.check_global(node, other, name.span, parent, is_typeof),
        }
    }

    /// A use of the global of that name, in the expression `around`.
    fn check_global(&mut self, node: NodeId, name: &str, span: Span, around: AstKind<'a>, is_typeof: bool) -> Checked {
        if EFFECTS.contains(&name) {
            return against(span, format!("`{name}` waits, or changes something outside"));
        }
        if GONE.contains(&name) {
            return against(span, format!("there is no `{name}` in the shared realm"));
        }
        self.reads |= READS.contains(&name);
        match name {
            "Promise" => against(span, ASYNCHRONOUS),
            // It throws in the shared realm, and may not in a fresh one.
            "Function" if self.has_tries && is_called_or_compared(around, span) && !self.is_in_global_shim(node) => {
                against(span, "`Function` could be caught refusing")
            }
            "Symbol" if is_member(around, "for") => against(span, "registered symbols outlive the run"),
            "eval" => against(span, "`eval` sees what is around it"),
            // Its old properties tell of the last match.
            "RegExp" if !is_typeof && !is_called_or_compared(around, span) => {
                against(span, "`RegExp` is used as a value")
            }
            "Reflect" if !is_typeof => match around {
                AstKind::StaticMemberExpression(member) if REFLECTS.contains(&member.property.name.as_str()) => Ok(()),
                _ => against(span, "`Reflect` changes objects without an error"),
            },
            _ => Ok(()),
        }
    }

    pub(super) fn check_property(&mut self, name: &str, span: Span) -> Checked {
        if TELLING.contains(&name) || (name == "stack" && self.facts.has_errors) {
            return against(span, format!("`{name}` tells one realm from another"));
        }
        if name == "constructor" && self.has_tries {
            return against(span, "a `constructor` may be that of functions, and could be caught refusing");
        }
        if self.facts.hands_on_global {
            let is_changing = ["RegExp", "Reflect", "Promise", "Function", "Symbol", "eval"].contains(&name);
            if EFFECTS.contains(&name) || GONE.contains(&name) || is_changing {
                return against(span, format!("`{name}` may be a property of the global object"));
            }
            self.reads |= READS.contains(&name);
        }
        Ok(())
    }

    /// `typeof globalThis` and `globalThis.name`: nothing is done with the object itself.
    pub(super) fn is_global_read(&self, node: NodeId) -> bool {
        match self.semantic.nodes().parent_kind(node) {
            AstKind::UnaryExpression(unary) => unary.operator == UnaryOperator::Typeof,
            AstKind::StaticMemberExpression(_) => true,
            _ => false,
        }
    }

    /// Declarations at the top of a script are properties of the global object, which those of a function are not.
    pub(super) fn check_declarations(&self) -> Checked {
        let scoping = self.semantic.scoping();
        for symbol in scoping.iter_bindings_in(scoping.root_scope_id()) {
            let flags = scoping.symbol_flags(symbol);
            if !flags.is_function_scoped_declaration() && !flags.is_function() {
                continue;
            }
            let (name, span) = (scoping.symbol_name(symbol), scoping.symbol_span(symbol));
            if is_of_jspolicy(name) {
                return against(span, format!("it declares the global `{name}` anew"));
            }
            if let Some(mention) = self.mention_of_global() {
                return against(mention, format!("the global object would have `{name}`"));
            }
        }
        Ok(())
    }
}

/// Whether there is, or may be, a global of that name in every realm.
pub(super) fn is_of_the_realm(name: &str) -> bool {
    const LOWER: [&str; 11] = [
        "undefined",
        "globalThis",
        "eval",
        "parseInt",
        "parseFloat",
        "isNaN",
        "isFinite",
        "decodeURI",
        "encodeURI",
        "decodeURIComponent",
        "encodeURIComponent",
    ];
    // All others, those of engines to come among them, begin with a capital letter.
    !name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_' || first == '$')
        || LOWER.contains(&name)
        || GONE.contains(&name)
        || is_of_jspolicy(name)
}

fn is_of_jspolicy(name: &str) -> bool {
    [&OF_THE_RUN[..], &EFFECTS, &READS, &QUICK].iter().any(|names| names.contains(&name))
}

fn is_member(around: AstKind<'_>, name: &str) -> bool {
    matches!(around, AstKind::StaticMemberExpression(member) if member.property.name == name)
}

fn is_called_or_compared(around: AstKind<'_>, span: Span) -> bool {
    match around {
        AstKind::NewExpression(made) => made.callee.span() == span,
        AstKind::CallExpression(call) => call.callee.span() == span,
        AstKind::BinaryExpression(binary) => binary.operator.is_instance_of() && binary.right.span() == span,
        _ => false,
    }
}
