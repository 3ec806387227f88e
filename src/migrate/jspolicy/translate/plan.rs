//! What the translation has decided so far: changes of the text, names taken from the context, helpers, permissions.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use oxc::semantic::NodeId;

use super::edits::Edits;
use super::helpers::Helper;
use super::script::Script;
use crate::migrate::Granted;

/// Names of the context that a script's own may be in the way of, and what they are then called.
const OTHER_NAMES: [(&str, &str); 12] = [
    ("object", "judged"),
    ("oldObject", "before"),
    ("request", "admission"),
    ("operation", "verb"),
    ("user", "requester"),
    ("deny", "refuse"),
    ("warn", "caution"),
    ("get", "getObject"),
    ("list", "listObjects"),
    ("log", "logLine"),
    ("env", "readEnv"),
    ("fetch", "fetchUrl"),
];

#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "facts of one script that have nothing to do with each other")]
pub(super) struct Plan {
    pub edits: Edits,
    /// Names of the context, and what the module calls them.
    pub context: BTreeMap<&'static str, String>,
    /// What the handler takes under another name, to make a copy of it.
    pub given: BTreeMap<&'static str, String>,
    pub helpers: BTreeSet<Helper>,
    pub granted: Granted,
    pub notes: Vec<String>,
    /// Statements put before the script's own.
    pub opening: Vec<String>,
    /// Functions that became the body of a loop, or of the handler: they are none any more.
    pub unrolled: HashSet<NodeId>,
    /// The run is ended by a throw somewhere, so the handler catches it.
    pub throws: bool,
    /// `finally` blocks ask whether the run was ended.
    pub guards: bool,
    /// Functions that have to be awaited, and the handler.
    pub waits: HashSet<Option<NodeId>>,
    /// Lines that go to the top of the module.
    pub imports: Vec<String>,
    pub declared: Vec<String>,
    /// The name of the copy of the request, where there is one.
    pub whole: Option<String>,
    /// Some of what ends the run does so in a promise.
    pub ends_later: bool,
    /// The script edits what it was given, which a module sees frozen.
    pub copies_object: bool,
    pub copies_reads: bool,
}

impl Plan {
    /// The name by which the module has something of its context.
    pub(super) fn take(&mut self, script: &Script<'_, '_>, name: &'static str) -> String {
        if let Some(known) = self.context.get(name) {
            return known.clone();
        }
        let other = OTHER_NAMES.iter().find(|(known, _)| *known == name).map_or(name, |(_, other)| other);
        // What the script calls by jsPolicy's name is the context's from now on, so only its own names are in the way.
        let is_taken = script.declares(name);
        let mine = if is_taken { script.fresh(other) } else { name.to_owned() };
        self.context.insert(name, mine.clone());
        mine
    }

    /// Works on a copy of the object, for the engine's own is frozen or is not to be edited in place. Gives the name of the
    /// original.
    pub(super) fn copy_object(&mut self, script: &Script<'_, '_>, original: &str) -> String {
        if let Some(known) = self.given.get("object") {
            return known.clone();
        }
        self.help(Helper::Dynamic);
        let given = script.fresh(original);
        let mine = if script.declares("object") { script.fresh("edited") } else { "object".to_owned() };
        self.opening.push(format!("const {mine}: Dynamic = structuredClone({given});"));
        self.context.insert("object", mine);
        self.given.insert("object", given.clone());
        given
    }

    pub(super) fn help(&mut self, helper: Helper) {
        if self.helpers.insert(helper) {
            for other in helper.needs() {
                self.help(*other);
            }
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The function that a node is in, as it will be; none for the handler itself.
    pub(super) fn frame(&self, script: &Script<'_, '_>, node: NodeId) -> Option<NodeId> {
        script.functions(node).find(|function| !self.unrolled.contains(function))
    }
}

impl Script<'_, '_> {
    /// Whether the script itself declares the name, anywhere.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.semantic.scoping().symbol_names().any(|known| known == name)
    }
}
