//! One module file made into policies: linked, linted, looked into by the engine, declared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::artifact::{Artifact, is_bundle};
use crate::bundle::{Linked, ModuleState, link_installed, module_state, shown_path};

use super::catalog::Revision;
use super::code::{Code, Inspect};
use super::declaration::declaration;
use super::draft::{Complete, Draft};
use super::error::PolicyError;
use super::packages::Orders;
use super::spec::{Dialect, Isolation};

/// Parameters from the command line: an object by the names of policies, or one for all that have parameters.
#[derive(Debug, Clone, Default)]
pub(super) struct Given(pub Option<Value>);

impl Given {
    /// The parameters for one policy. An object of which any key is a policy's name (three parts and more) is by name.
    pub(super) fn of(&self, policy: &str, has_schema: bool) -> Option<&Value> {
        let given = self.0.as_ref()?;
        let by_name = given.as_object().is_some_and(|keys| keys.keys().any(|key| super::names::is_policy_name(key)));
        if by_name { given.get(policy) } else { Some(given).filter(|_| has_schema) }
    }
}

/// Policies of one file, and what there is to say about them.
#[derive(Debug, Clone, Default)]
pub(super) struct Built {
    pub revisions: Vec<Arc<Revision>>,
    /// Subject and text.
    pub notes: Vec<(String, String)>,
}

/// A module file, linked.
#[derive(Debug)]
pub(super) struct LinkedModule {
    pub code: Arc<Code>,
    pub inputs: Vec<PathBuf>,
    pub state: Vec<ModuleState>,
}

pub(super) fn link_module(path: &Path, orders: &Orders<'_>) -> Result<LinkedModule, PolicyError> {
    let shown = shown_path(path);
    if !is_bundle(path) {
        return match link_installed(path)? {
            Ok(linked) => linked_module(&linked, &shown),
            // A registry may take its time.
            Err(source) => linked_module(&orders.made(&source, &shown)?.linked, &shown),
        };
    }
    // It was linked when it was made: what serves is what was hashed and signed.
    let artifact = Artifact::read(path)
        .map_err(|error| PolicyError::NotAPolicy { file: shown.clone(), reason: error.to_string() })?;
    let linked = Linked { inputs: vec![path.to_owned()], ..artifact.linked() };
    linked_module(&linked, &shown)
}

/// A script that is linked already, with what it keeps; `origin` is the name that errors show.
pub(super) fn linked_module(linked: &Linked, origin: &str) -> Result<LinkedModule, PolicyError> {
    let state = module_state(linked)?;
    let code = Code {
        dialect: Dialect::Module,
        origin: origin.into(),
        script: linked.script.as_str().into(),
        hash: linked.hash.as_str().into(),
        entry: 0,
        source_map: linked.source_map.as_deref().map(Arc::from),
        closed: None,
    };
    Ok(LinkedModule { code: Arc::new(code), inputs: linked.inputs.clone(), state })
}

/// Evaluates a linked module and reads what it declares.
pub(super) fn declare_module(
    linked: &LinkedModule,
    source: &Arc<PathBuf>,
    inspect: &dyn Inspect,
    given: &Given,
) -> Result<Built, PolicyError> {
    let code = &linked.code;
    let declared = declarations(code, inspect, None)?;
    let mut built = Built::default();
    for (entry, value) in declared.iter().enumerate() {
        let subject = if declared.len() == 1 { code.origin.to_string() } else { format!("{}[{entry}]", code.origin) };
        let draft = declaration(value, &subject)?;
        let code = if entry == 0 { Arc::clone(code) } else { Arc::new(at_entry(code, entry)) };
        finish_module(draft, code, &linked.state, source, given, &mut built)?;
    }
    Ok(built)
}

/// What the module's default export holds.
pub(super) fn declarations(code: &Code, inspect: &dyn Inspect, file: Option<&str>) -> Result<Vec<Value>, PolicyError> {
    let declared =
        inspect.inspect(&code.origin, &code.script, Dialect::Module).map_err(|error| code.diagnose(&error, file))?;
    if declared.is_empty() {
        let reason = "has no policy as its default export; write `export default policy({ … })`".to_owned();
        return Err(PolicyError::NotAPolicy { file: code.origin.to_string(), reason });
    }
    Ok(declared)
}

/// Completes one policy of a module and adds it, or says why it is not served.
pub(super) fn finish_module(
    draft: Draft,
    code: Arc<Code>,
    state: &[ModuleState],
    source: &Arc<PathBuf>,
    given: &Given,
    built: &mut Built,
) -> Result<(), PolicyError> {
    let name = draft.name.clone().unwrap_or_default();
    let notes = draft.notes.clone();
    let given = given.of(&name, draft.schema.is_some());
    let complete = draft.complete(Dialect::Module, given)?;
    built.notes.extend(notes.into_iter().map(|note| (name.clone(), note)));
    let complete = without_shared_state(complete, state, built);
    built.revisions.push(Arc::new(Revision::new(complete, code, Arc::clone(source))?));
    Ok(())
}

/// What keeps state between requests must not share its realm with anyone, itself included.
fn without_shared_state(mut complete: Complete, state: &[ModuleState], built: &mut Built) -> Complete {
    let Some(first) = state.first() else { return complete };
    complete.spec.keeps_state = true;
    if complete.spec.isolation == Isolation::Fresh {
        return complete;
    }
    let note = format!("{first}; it runs in a fresh realm each time, which is slower. Keep state out of the module");
    built.notes.push((complete.spec.name.to_string(), note));
    complete.spec.isolation = complete.spec.isolation.max(Isolation::Fresh);
    complete
}

pub(super) fn at_entry(code: &Code, entry: usize) -> Code {
    Code {
        dialect: code.dialect,
        origin: Arc::clone(&code.origin),
        script: Arc::clone(&code.script),
        hash: Arc::clone(&code.hash),
        entry,
        source_map: code.source_map.clone(),
        closed: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn given_parameters_are_by_name_or_for_all_that_have_some() {
        let by_name = Given(Some(json!({"a.b.c": {"x": 1}, "d.e.f": {}})));
        assert_eq!(by_name.of("a.b.c", false), Some(&json!({"x": 1})));
        assert_eq!(by_name.of("x.y.z", true), None);
        let for_all = Given(Some(json!({"registries": []})));
        assert_eq!(for_all.of("a.b.c", true), Some(&json!({"registries": []})));
        assert_eq!(for_all.of("a.b.c", false), None);
        assert_eq!(Given::default().of("a.b.c", true), None);
    }
}
