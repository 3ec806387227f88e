//! What looks into an isolate while policies run: V8's profiler, which counts what is run, and a debugger, which stops
//! it. Both speak the inspector protocol; neither is there in a server.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::Receiver;
use deno_core::v8;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use v8::inspector::{
    Channel, ChannelImpl, StringBuffer, StringView, V8Inspector, V8InspectorClient, V8InspectorClientImpl,
    V8InspectorClientTrustLevel, V8InspectorSession,
};

use crate::policy::Code;

/// All realms of an isolate are one group to a debugger.
const GROUP: i32 = 1;

/// A debugger that does not take what it asked for by then has gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a new isolate is equipped with.
#[derive(Clone, Default)]
pub enum Tools {
    #[default]
    None,
    /// Counts what is run ([`super::Cell::coverage`]).
    Coverage,
    Debugger(DebuggerPort),
}

/// The isolate's end of the line to a debugger.
#[derive(Clone)]
pub struct DebuggerPort {
    messages: Receiver<DebugMessage>,
    /// Told when the debugger lets the policies run.
    is_ready: Arc<Notify>,
}

/// What comes over that line.
pub enum DebugMessage {
    /// A debugger connects; what it is told goes here.
    Open(Sender<String>),
    /// A message of the inspector protocol.
    Text(String),
    Close,
}

impl DebuggerPort {
    #[must_use]
    pub fn new(messages: Receiver<DebugMessage>, is_ready: Arc<Notify>) -> Self {
        Self { messages, is_ready }
    }

    #[must_use]
    pub fn messages(&self) -> &Receiver<DebugMessage> {
        &self.messages
    }
}

/// The tools of one isolate, kept in one of its slots.
pub(super) struct Devtools {
    shared: Rc<Shared>,
    inspector: V8Inspector,
    /// URLs of source maps by the names of scripts.
    maps: RefCell<HashMap<String, String>>,
}

/// What V8 calls back with needs this much.
struct Shared {
    session: RefCell<Option<V8InspectorSession>>,
    /// What the profiler answered last.
    answer: Rc<RefCell<String>>,
    port: Option<DebuggerPort>,
    is_paused: Cell<bool>,
    /// Came in a pause, and cannot be done there.
    deferred: RefCell<Vec<DebugMessage>>,
}

impl Devtools {
    pub(super) fn attach(isolate: &mut v8::OwnedIsolate, tools: &Tools) {
        let port = match tools {
            Tools::None => return,
            Tools::Coverage => None,
            Tools::Debugger(port) => Some(port.clone()),
        };
        let shared = Rc::new(Shared {
            session: RefCell::default(),
            answer: Rc::default(),
            port,
            is_paused: Cell::new(false),
            deferred: RefCell::default(),
        });
        let client = V8InspectorClient::new(Box::new(Client(Rc::clone(&shared))));
        let inspector = V8Inspector::create(isolate, client);
        let devtools = Rc::new(Self { shared, inspector, maps: RefCell::default() });
        isolate.set_slot(Rc::clone(&devtools));
        if matches!(tools, Tools::Coverage) {
            v8::scope!(let _scope, isolate);
            devtools.connect(Out::Kept(Rc::clone(&devtools.shared.answer)));
            for message in [
                r#"{"id":1,"method":"Profiler.enable"}"#,
                r#"{"id":2,"method":"Profiler.startPreciseCoverage","params":{"callCount":true,"detailed":true}}"#,
            ] {
                devtools.shared.dispatch(message);
            }
        }
    }

    pub(super) fn of(isolate: &v8::Isolate) -> Option<Rc<Self>> {
        isolate.get_slot::<Rc<Self>>().map(Rc::clone)
    }

    /// Before the isolate goes: the inspector refers into it.
    pub(super) fn detach(isolate: &mut v8::OwnedIsolate) {
        if let Some(devtools) = isolate.remove_slot::<Rc<Self>>() {
            devtools.shared.session.take();
        }
    }

    pub(super) fn know(&self, code: &Code) {
        if self.shared.port.is_some()
            && let Some(map) = &code.source_map
        {
            let url = || format!("data:application/json;base64,{}", STANDARD.encode(with_urls(map)));
            self.maps.borrow_mut().insert(code.origin.to_string(), url());
        }
    }

    pub(super) fn take(isolate: &mut v8::OwnedIsolate, message: DebugMessage) {
        let Some(devtools) = Self::of(isolate) else { return };
        v8::scope!(let _scope, isolate);
        devtools.handle(message);
        for deferred in devtools.shared.deferred.take() {
            devtools.handle(deferred);
        }
    }

    fn handle(&self, message: DebugMessage) {
        match message {
            DebugMessage::Open(out) => self.connect(Out::Sent(out)),
            DebugMessage::Text(text) => self.shared.dispatch(&text),
            DebugMessage::Close => drop(self.shared.session.take()),
        }
    }

    pub(super) fn covered(isolate: &mut v8::OwnedIsolate) -> Option<String> {
        let devtools = Self::of(isolate).filter(|devtools| devtools.shared.port.is_none())?;
        v8::scope!(let _scope, isolate);
        devtools.shared.dispatch(r#"{"id":3,"method":"Profiler.takePreciseCoverage"}"#);
        Some(devtools.shared.answer.take())
    }

    fn connect(&self, out: Out) {
        let channel = Channel::new(Box::new(out));
        // The old session goes first.
        self.shared.session.take();
        let trust = V8InspectorClientTrustLevel::FullyTrusted;
        let session = self.inspector.connect(GROUP, channel, StringView::empty(), trust);
        self.shared.session.replace(Some(session));
    }
}

impl super::Cell {
    /// Lets tools see all that runs here: on a new cell, before anything does.
    pub fn equip(&mut self, tools: &Tools) {
        self.entered(|isolate, _| Devtools::attach(isolate, tools));
    }

    /// Tells the tools where the code that runs next comes from.
    pub fn know(&mut self, code: &Code) {
        self.entered(|isolate, _| {
            if let Some(devtools) = Devtools::of(isolate) {
                devtools.know(code);
            }
        });
    }

    /// Hands on what a debugger sent.
    pub fn debug(&mut self, message: DebugMessage) {
        self.entered(|isolate, _| Devtools::take(isolate, message));
    }

    /// The answer of V8's profiler, as JSON, where the cell was equipped with it.
    pub fn coverage(&mut self) -> Option<String> {
        self.entered(|isolate, _| Devtools::covered(isolate))
    }
}

/// A realm was made.
pub(super) fn made(scope: &v8::PinScope<'_, '_, ()>, context: v8::Local<v8::Context>) {
    if let Some(devtools) = Devtools::of(scope).filter(|devtools| devtools.shared.port.is_some()) {
        let name = StringView::from(&b"policies"[..]);
        devtools.inspector.context_created(context, GROUP, name, StringView::from(&br#"{"isDefault":true}"#[..]));
    }
}

/// Where the source of a script is told, for a debugger.
pub(super) fn source_map<'s>(scope: &v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Value>> {
    let devtools = Devtools::of(scope)?;
    let maps = devtools.maps.borrow();
    v8::String::new(scope, maps.get(name)?).map(Into::into)
}

impl Shared {
    fn dispatch(&self, message: &str) {
        let session = self.session.borrow();
        let Some(session) = session.as_ref() else { return };
        // One byte a character means Latin-1 to V8.
        if message.is_ascii() {
            session.dispatch_protocol_message(StringView::from(message.as_bytes()));
        } else {
            let units: Vec<u16> = message.encode_utf16().collect();
            session.dispatch_protocol_message(StringView::from(units.as_slice()));
        }
    }
}

/// What V8 asks of whoever embeds its inspector.
struct Client(Rc<Shared>);

impl V8InspectorClientImpl for Client {
    fn run_message_loop_on_pause(&self, _group: i32) {
        let Some(port) = &self.0.port else { return };
        self.0.is_paused.set(true);
        while self.0.is_paused.get() {
            match port.messages.recv() {
                Ok(DebugMessage::Text(text)) => self.0.dispatch(&text),
                // A session cannot go while V8 is inside of it; without a debugger nothing is paused.
                Ok(other) => {
                    self.0.deferred.borrow_mut().push(other);
                    self.0.dispatch(r#"{"id":0,"method":"Debugger.disable"}"#);
                    self.0.is_paused.set(false);
                }
                Err(_) => self.0.is_paused.set(false),
            }
        }
    }

    fn quit_message_loop_on_pause(&self) {
        self.0.is_paused.set(false);
    }

    fn run_if_waiting_for_debugger(&self, _group: i32) {
        if let Some(port) = &self.0.port {
            port.is_ready.notify_one();
        }
    }

    fn resource_name_to_url(&self, name: &StringView) -> Option<v8::UniquePtr<StringBuffer>> {
        self.0.port.as_ref()?;
        let url = file_url(&name.to_string())?;
        Some(StringBuffer::create(StringView::from(url.as_bytes())))
    }
}

/// Where V8's answers go.
enum Out {
    Kept(Rc<RefCell<String>>),
    Sent(Sender<String>),
}

impl Out {
    fn put(&self, message: &v8::UniquePtr<StringBuffer>) {
        let Some(text) = message.as_ref().map(|message| message.string().to_string()) else { return };
        match self {
            Self::Kept(last) => drop(last.replace(text)),
            Self::Sent(out) => send(out, text),
        }
    }
}

/// From a thread that may wait, for as long as a debugger may be slow.
fn send(out: &Sender<String>, mut text: String) {
    let until = Instant::now() + PATIENCE;
    while let Err(TrySendError::Full(back)) = out.try_send(text) {
        if Instant::now() > until {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
        text = back;
    }
}

impl ChannelImpl for Out {
    fn send_response(&self, _call: i32, message: v8::UniquePtr<StringBuffer>) {
        self.put(&message);
    }

    fn send_notification(&self, message: v8::UniquePtr<StringBuffer>) {
        // The profiler has nothing to tell unasked.
        if let Self::Sent(_) = self {
            self.put(&message);
        }
    }

    fn flush_protocol_notifications(&self) {}
}

/// The URL of a file by which debuggers know it. Our own scripts have none.
fn file_url(name: &str) -> Option<String> {
    let path = std::path::absolute(name).ok().filter(|path| path.is_file())?;
    url::Url::from_file_path(crate::bundle::normalise(&path)).ok().map(Into::into)
}

/// A source map whose sources are URLs of files. Contents that it does not have are left to be read from there.
fn with_urls(map: &str) -> String {
    let Ok(mut map) = serde_json::from_str::<Value>(map) else { return map.to_owned() };
    if let Some(sources) = map.get_mut("sources").and_then(Value::as_array_mut) {
        for source in sources {
            if let Some(url) = source.as_str().and_then(file_url) {
                *source = url.into();
            }
        }
    }
    let is_empty = |contents: &Value| {
        contents.as_array().is_some_and(|texts| texts.iter().all(|text| text.as_str().is_none_or(str::is_empty)))
    };
    if let Some(fields) = map.as_object_mut()
        && fields.get("sourcesContent").is_some_and(is_empty)
    {
        fields.remove("sourcesContent");
    }
    map.to_string()
}
