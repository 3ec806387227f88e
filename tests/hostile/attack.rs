//! One attack: a file whose header says what must become of it.
//!
//! ```text
//! // What it tries.
//! // must: END                what must become of it as a handler of a module policy
//! // as script: END           it is also run as a jsPolicy script, with this end (`same`: the one above)
//! // dialect: script          the file is a jsPolicy script and nothing else (or `module`: a whole module)
//! // handlers: mutate         the handlers that the file has (`validate` where absent)
//! // settings: MEMBERS        more members of the policy, as JavaScript
//! // review: SHAPE            what the review holds (see `review`)
//! // filled: COUNT TEXT       what `/* FILL */` stands for in the file
//! // within: SECONDS          (6 where absent)
//! // runs: COUNT              asked so many times, with the same end each time
//! // costs a thread           it may hold its thread for good or for long
//! ```
//!
//! An END is `allow`, `deny TEXT`, `error TEXT or TEXT` (where `Time` and `Memory` stand for whatever is said of a run that
//! was ended for these), `no policy TEXT` (it is refused when it is loaded), `refused` (it is no review at all) or
//! `anything` (contained, whatever it comes to).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct Attack {
    pub name: String,
    pub source: String,
    pub form: Form,
    pub as_module: Option<End>,
    pub as_script: Option<End>,
    pub handlers: String,
    pub settings: Option<String>,
    pub shape: String,
    pub within: Duration,
    pub runs: usize,
    pub costs_a_thread: bool,
}

/// What the file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The functions of a policy; the policy around them is the same for all.
    Handlers,
    Module,
    Script,
}

/// What must become of an attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Allow,
    Deny(String),
    /// No verdict, with one of these texts.
    Error(Vec<String>),
    /// It is never put in force, and this is why.
    NoPolicy(Vec<String>),
    Refused,
    Anything,
}

/// What is told of a run that used up its processor time, or its time: for a script they are the same.
pub const TIME: [&str; 8] = [
    "more processor time",
    "timed out",
    "does not stop",
    "took too long",
    "gave no verdict before",
    "no time was left",
    "its turn came after the deadline",
    "its turn would come after the deadline",
];
/// The same for memory.
const MEMORY: &str = "more memory";

impl End {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(' ').unwrap_or((text, "")) {
            ("allow", "") => Self::Allow,
            ("deny", text) => Self::Deny(text.to_owned()),
            ("error", text) => Self::Error(texts(text)),
            ("no", text) => Self::NoPolicy(texts(text.strip_prefix("policy ")?)),
            ("refused", "") => Self::Refused,
            ("anything", "") => Self::Anything,
            _ => return None,
        })
    }
}

impl Attack {
    /// Every file of the corpus, by name.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let name = file.file_stem().unwrap().to_str().unwrap();
        Self::parse(name, &fs::read_to_string(file).unwrap()).unwrap_or_else(|fault| panic!("{name}: {fault}"))
    }

    fn parse(name: &str, source: &str) -> Result<Self, String> {
        let mut attack = Self {
            name: name.to_owned(),
            source: source.to_owned(),
            form: Form::Handlers,
            as_module: None,
            as_script: None,
            handlers: "validate".to_owned(),
            settings: None,
            shape: "plain".to_owned(),
            within: Duration::from_secs(6),
            runs: 1,
            costs_a_thread: false,
        };
        let mut must = None;
        let header = source.lines().map_while(|line| line.strip_prefix("// "));
        // The first line is for people.
        for line in header.skip(1) {
            let (key, value) = line.split_once(':').map_or((line, ""), |(key, value)| (key, value.trim()));
            match key {
                "must" => must = Some(value),
                "as script" => attack.as_script = Some(end(if value == "same" { must.unwrap_or("") } else { value })?),
                "dialect" if value == "script" => attack.form = Form::Script,
                "dialect" if value == "module" => attack.form = Form::Module,
                "handlers" => value.clone_into(&mut attack.handlers),
                "settings" => attack.settings = Some(value.to_owned()),
                "review" => value.clone_into(&mut attack.shape),
                "within" => attack.within = Duration::from_secs_f64(value.parse().map_err(|_| line)?),
                "filled" => {
                    let (count, text) = value.split_once(' ').ok_or(line)?;
                    let filling = text.repeat(count.parse().map_err(|_| line)?);
                    attack.source = source.replace("/* FILL */", &filling);
                }
                "runs" => attack.runs = value.parse().map_err(|_| line)?,
                "costs a thread" => attack.costs_a_thread = true,
                _ => return Err(format!("`{line}` says nothing that is understood")),
            }
        }
        let must = end(must.ok_or("does not say what must happen")?)?;
        match attack.form {
            Form::Script => attack.as_script = Some(must),
            Form::Handlers | Form::Module => attack.as_module = Some(must),
        }
        Ok(attack)
    }

    /// Whether the attack is on the mutating side.
    pub fn mutates(&self) -> bool {
        self.handlers.contains("mutate")
    }
}

/// One of which must be told.
fn texts(text: &str) -> Vec<String> {
    let texts = text.split(" or ").flat_map(|text| match text {
        "Time" => TIME.to_vec(),
        "Memory" => vec![MEMORY],
        text => vec![text],
    });
    texts.map(str::to_owned).collect()
}

fn end(text: &str) -> Result<End, String> {
    End::parse(text).ok_or_else(|| format!("{text:?} is no end"))
}

#[test]
fn a_header_says_all_there_is_to_know() {
    let source = "// Loops.\n// must: error Time or Memory\n// as script: same\n// within: 2.5\n// costs a thread\nfunction validate() {}\n// must: allow\n";
    let attack = Attack::parse("loop", source).unwrap_or_else(|fault| panic!("{fault}"));
    let Some(End::Error(texts)) = &attack.as_module else { panic!("{:?}", attack.as_module) };
    assert!(texts.contains(&MEMORY.to_owned()) && TIME.iter().all(|text| texts.contains(&(*text).to_owned())));
    assert_eq!(attack.as_script, attack.as_module);
    assert_eq!(attack.within, Duration::from_millis(2_500));
    assert!(attack.costs_a_thread && !attack.mutates());
    for (fault, source) in [
        ("must happen", "// Loops.\nfunction validate() {}"),
        ("is no end", "// Loops.\n// must: perish"),
        ("nothing that is understood", "// Loops.\n// must: allow\n// withing: 3"),
    ] {
        let told = Attack::parse("loop", source).err().unwrap_or_default();
        assert!(told.contains(fault), "{told}");
    }
}
