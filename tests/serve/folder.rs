//! A folder of policies that a test writes and changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::server::Server;
use super::server::lifeline::ScratchFolder;

/// Files in a folder that goes with its owner, or with the process.
pub struct Folder(ScratchFolder);

impl Folder {
    pub fn new(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bylaw-policies-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(ScratchFolder::create(std::env::temp_dir().join(name)).expect("no temporary folder"));
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The whole path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The same as an argument.
    pub fn argument(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    /// Serves the policies in it.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[])
    }

    /// The same with additions to the environment.
    pub fn serve_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let path = self.path().to_str().expect("temporary folders have plain names");
        Server::start_with(&[&["--policies", path], arguments].concat(), environment)
    }
}

/// A server of these policies, for as long as the process runs or the pair is kept.
pub struct Served {
    pub server: Server,
    pub folder: Folder,
}

impl Served {
    pub fn new(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let folder = Folder::new(files);
        Self { server: folder.serve(arguments), folder }
    }
}

/// The source of a policy `<name>.policies.example` for `ConfigMaps`. `fields` are the rest of its declaration.
pub fn policy(name: &str, fields: &str) -> String {
    format!(
        "import {{ policy }} from \"@bylaw/sdk\";\n\
         export default policy({{\n  name: \"{name}.policies.example\",\n  match: {{ resources: [\"configmaps\"] }},\n{fields}\n}});\n"
    )
}

/// A `JsPolicy` named `<name>.policies.example` for new `ConfigMaps`. `fields` are further ones of its spec.
pub fn script(name: &str, fields: &str, javascript: &str) -> String {
    format!(
        "apiVersion: policy.jspolicy.com/v1beta1\nkind: JsPolicy\nmetadata:\n  name: {name}.policies.example\nspec:\n  \
         operations: [CREATE]\n  resources: [configmaps]\n{fields}  javascript: |\n    {}\n",
        javascript.replace('\n', "\n    ")
    )
}
