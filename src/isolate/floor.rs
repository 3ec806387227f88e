//! What V8 itself takes to read a request: the floor that figures of ours stand on, on whatever machine they are taken.

use std::mem::ManuallyDrop;

use deno_core::v8;

use super::entered::Entered;
use super::realm::{new_context, text};

/// An isolate with nothing in it.
pub struct Floor {
    context: ManuallyDrop<v8::Global<v8::Context>>,
    isolate: ManuallyDrop<v8::OwnedIsolate>,
}

impl Floor {
    #[must_use]
    pub fn new() -> Self {
        let mut isolate = v8::Isolate::new(v8::CreateParams::default());
        let context = {
            v8::scope!(let scope, &mut isolate);
            let context = new_context(scope, None);
            v8::Global::new(scope, context)
        };
        // SAFETY: `new` entered the isolate on this thread; every use below enters it again.
        unsafe { isolate.exit() };
        Self { context: ManuallyDrop::new(context), isolate: ManuallyDrop::new(isolate) }
    }

    /// Enters the isolate and its realm, and leaves them.
    pub fn enter(&mut self) {
        self.entered(|_| ());
    }

    /// Reads a JSON text. Whether it was one.
    pub fn parse(&mut self, json: &str) -> bool {
        self.entered(|scope| text(scope, json).and_then(|text| v8::json::parse(scope, text)).is_some())
    }

    fn entered<R>(&mut self, work: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        let entered = Entered::new(&self.isolate);
        let result = {
            v8::scope!(let scope, &mut *self.isolate);
            let context = v8::Local::new(scope, &*self.context);
            let scope = &mut v8::ContextScope::new(scope, context);
            work(scope)
        };
        drop(entered);
        result
    }
}

impl Default for Floor {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // SAFETY: the isolate must be current to be dropped, and what refers into it goes first. Neither is used
        // afterwards.
        unsafe {
            self.isolate.enter();
            ManuallyDrop::drop(&mut self.context);
            ManuallyDrop::drop(&mut self.isolate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_json_and_nothing_else_and_lives_beside_another() {
        crate::isolate::init();
        let mut first = Floor::new();
        let mut second = Floor::new();
        assert!(first.parse(r#"{"a": [1, "ü"]}"#) && second.parse("[]"));
        assert!(!first.parse("{a: 1}"));
        first.enter();
        drop(first);
        assert!(second.parse("1"));
    }
}
