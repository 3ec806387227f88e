//! Where an import leads: a file beside the importer, the built-in SDK, or a clear refusal.

use std::path::{Component, Path, PathBuf};

/// Tried in this order, on the path and then on `path/index`.
const EXTENSIONS: [&str; 6] = ["ts", "mts", "js", "mjs", "cjs", "json"];

/// TypeScript sources name the JavaScript that they will be compiled to.
const WRITTEN_FOR: [(&str, &str); 3] = [("js", "ts"), ("mjs", "mts"), ("cjs", "cts")];

const NODE_BUILT_INS: [&str; 40] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "repl",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "worker_threads",
    "zlib",
];

/// What an import stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, by its normalised path.
    File(PathBuf),
    /// `@bylaw/sdk`: the engine's own.
    Sdk,
    /// Declarations only: nothing is left of it at run time.
    Types,
    /// A package, a part of one, or what the package.json above names (`#…`): to be looked up.
    Package,
}

/// Why an import leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub message: String,
    pub help: String,
}

fn refuse(message: String, help: &str) -> Refusal {
    Refusal { message, help: help.to_owned() }
}

/// Resolves `specifier` as written in a file of `folder` (`None`: inline source, which has no files beside it).
/// `is_file` answers for a path.
pub fn resolve(specifier: &str, folder: Option<&Path>, is_file: impl Fn(&Path) -> bool) -> Result<Target, Refusal> {
    if let Some(rest) = specifier.strip_prefix("@bylaw/sdk").filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        return sdk(specifier, rest);
    }
    if is_relative(specifier) {
        return match folder {
            Some(folder) => relative(specifier, folder, is_file),
            None => Err(refuse(
                format!("an inline policy cannot import the file `{specifier}`"),
                "put the policy in a file of its own beside it, or bundle it into a JsPolicyBundle",
            )),
        };
    }
    if specifier.starts_with('/') || specifier.contains(':') && !specifier.starts_with("node:") {
        return Err(refuse(
            format!("`{specifier}`: policies import neither URLs nor absolute paths"),
            "write a path relative to this file, starting with `./` or `../`",
        ));
    }
    if specifier.starts_with("node:") {
        return Err(node_built_in(specifier));
    }
    Ok(Target::Package)
}

pub(super) fn is_relative(specifier: &str) -> bool {
    specifier.starts_with("./") || specifier.starts_with("../") || specifier == "." || specifier == ".."
}

/// Whether Node.js has a module of that name. There may be a package of the same name.
pub(super) fn is_node_built_in(specifier: &str) -> bool {
    specifier.starts_with("node:") || NODE_BUILT_INS.contains(&package_name(specifier))
}

pub(super) fn node_built_in(specifier: &str) -> Refusal {
    refuse(
        format!("`{specifier}` is a module of Node.js, which the engine does not have"),
        "use what is built in (URL, TextEncoder, atob, btoa, structuredClone, crypto.subtle.digest) or @bylaw/sdk",
    )
}

fn sdk(specifier: &str, rest: &str) -> Result<Target, Refusal> {
    if rest.is_empty() {
        return Ok(Target::Sdk);
    }
    if rest.starts_with("/k8s/") || rest == "/k8s" {
        return Ok(Target::Types);
    }
    if rest == "/testing" || rest.starts_with("/testing/") {
        return Err(refuse(
            format!("`{specifier}` is for tests, which run in Node.js"),
            "import it in the `*.test.ts` file only",
        ));
    }
    Err(refuse(
        format!("`{specifier}` does not exist in the SDK"),
        "import helpers from `@bylaw/sdk` and types from `@bylaw/sdk/k8s/…`",
    ))
}

/// The package that an import is of, without what comes after its name.
pub(crate) fn package_name(specifier: &str) -> &str {
    let slashes = usize::from(specifier.starts_with('@')) + 1;
    let end = specifier.match_indices('/').nth(slashes - 1).map_or(specifier.len(), |(at, _)| at);
    specifier.get(..end).unwrap_or(specifier)
}

fn relative(specifier: &str, folder: &Path, is_file: impl Fn(&Path) -> bool) -> Result<Target, Refusal> {
    let path = normalise(&folder.join(specifier));
    let named_a_folder = specifier.ends_with('/') || specifier.ends_with('.') && path.file_name().is_none();
    let as_written = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut candidates = Vec::new();
    if !named_a_folder {
        candidates.push(path.clone());
        let source = WRITTEN_FOR.iter().find(|(compiled, _)| *compiled == as_written);
        candidates.extend(source.map(|(_, source)| path.with_extension(source)));
        candidates.extend(EXTENSIONS.iter().map(|extension| with_suffix(&path, extension)));
    }
    candidates.extend(EXTENSIONS.iter().map(|extension| path.join("index").with_extension(extension)));
    if let Some(found) = candidates.into_iter().find(|candidate| is_file(candidate)) {
        return if is_declaration(&found) { Ok(Target::Types) } else { loadable(specifier, found) };
    }
    let declarations = [with_suffix(&path, "d.ts"), path.with_extension("d.ts")];
    if declarations.iter().any(|candidate| is_file(candidate)) {
        return Ok(Target::Types);
    }
    Err(refuse(format!("cannot find `{specifier}`"), "check the spelling; the path is relative to this file"))
}

fn loadable(specifier: &str, found: PathBuf) -> Result<Target, Refusal> {
    let extension = found.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if EXTENSIONS.contains(&extension) || extension == "cts" {
        return Ok(Target::File(found));
    }
    Err(refuse(
        format!("`{specifier}` is not a file a policy can import"),
        "import .ts, .mts, .js, .mjs, .cjs or .json",
    ))
}

pub(super) fn is_declaration(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| name.ends_with(ending))
}

/// `path` with `.suffix` appended to its name, whatever dots that has already.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Takes `.` and `..` out of a path, by its text: what the author wrote, not where symbolic links lead.
pub fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(files: &[&str], specifier: &str) -> Result<Target, Refusal> {
        resolve(specifier, Some(Path::new("/p/dir")), |path| files.iter().any(|file| Path::new(file) == path))
    }

    fn file(path: &str) -> Target {
        Target::File(PathBuf::from(path))
    }

    #[test]
    fn relative_imports_find_typescript_first() {
        let files = ["/p/dir/a.ts", "/p/dir/a.js", "/p/lib/index.mts", "/p/dir/b.min.js", "/p/dir/data.json"];
        assert_eq!(among(&files, "./a"), Ok(file("/p/dir/a.ts")));
        assert_eq!(among(&files, "./a.js"), Ok(file("/p/dir/a.js")));
        assert_eq!(among(&files, "../lib"), Ok(file("/p/lib/index.mts")));
        assert_eq!(among(&files, "../lib/"), Ok(file("/p/lib/index.mts")));
        assert_eq!(among(&files, "./b.min"), Ok(file("/p/dir/b.min.js")));
        assert_eq!(among(&files, "./data.json"), Ok(file("/p/dir/data.json")));
        assert_eq!(among(&["/p/dir/a.ts"], "./a.js"), Ok(file("/p/dir/a.ts")));
    }

    #[test]
    fn declarations_and_kubernetes_types_leave_nothing_behind() {
        assert_eq!(among(&["/p/dir/types.d.ts"], "./types"), Ok(Target::Types));
        assert_eq!(among(&["/p/dir/types.d.ts"], "./types.js"), Ok(Target::Types));
        assert_eq!(among(&["/p/dir/types.d.ts"], "./types.d.ts"), Ok(Target::Types));
        assert_eq!(among(&[], "@bylaw/sdk/k8s/core/v1"), Ok(Target::Types));
        assert_eq!(among(&[], "@bylaw/sdk"), Ok(Target::Sdk));
    }

    #[test]
    fn what_cannot_be_imported_says_what_it_is() {
        let message = |specifier: &str| among(&["/p/dir/logo.png"], specifier).unwrap_err().message;
        assert_eq!(
            message("node:fs/promises"),
            "`node:fs/promises` is a module of Node.js, which the engine does not have"
        );
        assert_eq!(message("./nope"), "cannot find `./nope`");
        assert_eq!(message("./logo.png"), "`./logo.png` is not a file a policy can import");
        assert!(message("https://example.com/a.js").contains("neither URLs nor absolute paths"));
        assert!(message("/etc/passwd").contains("neither URLs nor absolute paths"));
        assert!(message("data:text/javascript,1").contains("neither URLs nor absolute paths"));
        assert!(message("@bylaw/sdk/testing").contains("for tests"));
        assert!(message("@bylaw/sdk/nope").contains("does not exist in the SDK"));
    }

    #[test]
    fn packages_are_left_to_be_looked_up() {
        for specifier in ["lodash/fp", "@scope/pkg/deep/file", "#internal", "@bylaw/sdk-extra"] {
            assert_eq!(among(&[], specifier), Ok(Target::Package), "{specifier}");
        }
        assert!(is_node_built_in("fs/promises") && is_node_built_in("node:test") && !is_node_built_in("lodash"));
        assert_eq!(package_name("@scope/pkg/deep/file"), "@scope/pkg");
    }

    #[test]
    fn inline_source_has_no_files_beside_it() {
        let refusal = resolve("./a", None, |_| true).unwrap_err();
        assert_eq!(refusal.message, "an inline policy cannot import the file `./a`");
        assert_eq!(resolve("@bylaw/sdk", None, |_| true), Ok(Target::Sdk));
    }
}
