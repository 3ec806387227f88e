//! `.npmrc`: which registry a package comes from, and what it takes to be let in. The project's file stands over the
//! user's, the environment (`npm_config_…`) over both, as with npm.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::NpmError;

const PUBLIC: &str = "https://registry.npmjs.org/";

/// Far above any.
const MAX_BYTES: u64 = 1 << 20;

/// Settings that `npm_config_…` may give.
const FROM_ENVIRONMENT: [&str; 6] = ["registry", "cafile", "proxy", "https-proxy", "noproxy", "strict-ssl"];

/// What npm's configuration says, as far as it matters here. Tokens are in it: it is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Npmrc {
    settings: BTreeMap<String, String>,
    /// Authorities in PEM, beside those of the system.
    pub authorities: Vec<String>,
    /// Files with more of them.
    pub authority_files: Vec<PathBuf>,
}

impl std::fmt::Debug for Npmrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Npmrc").field("settings", &self.settings.keys()).finish_non_exhaustive()
    }
}

impl Npmrc {
    /// What applies to packages that files of `folder` ask for: the user's `.npmrc`, over it the nearest one at or above
    /// the folder, over both the environment.
    ///
    /// # Errors
    /// Where a file is there and cannot be read.
    pub fn load(folder: Option<&Path>) -> Result<Self, NpmError> {
        Self::load_with(folder, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn load_with(folder: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, NpmError> {
        let mut npmrc = Self::default();
        let of_user = env("NPM_CONFIG_USERCONFIG").or_else(|| env("npm_config_userconfig")).map(PathBuf::from);
        let of_user = of_user.or_else(|| Some(Path::new(&env("HOME")?).join(".npmrc")));
        let of_project = folder.and_then(|folder| {
            let mut candidates = folder.ancestors().map(|above| above.join(".npmrc"));
            candidates.find(|candidate| candidate.is_file())
        });
        for path in [of_user, of_project].into_iter().flatten() {
            if let Some(text) = read(&path)? {
                npmrc.add(&path, &text, env)?;
            }
        }
        for name in FROM_ENVIRONMENT {
            let key = format!("npm_config_{}", name.replace('-', "_"));
            if let Some(value) = env(&key).or_else(|| env(&key.to_uppercase())) {
                npmrc.settings.insert(name.to_owned(), value);
            }
        }
        for (name, variables) in [
            ("https-proxy", &["HTTPS_PROXY", "https_proxy"][..]),
            ("proxy", &["HTTP_PROXY", "http_proxy"]),
            ("noproxy", &["NO_PROXY", "no_proxy"]),
        ] {
            if let Some(value) = variables.iter().find_map(|variable| env(variable)) {
                npmrc.settings.entry(name.to_owned()).or_insert(value);
            }
        }
        npmrc.authority_files.extend(env("NODE_EXTRA_CA_CERTS").map(PathBuf::from));
        Ok(npmrc)
    }

    fn add(&mut self, path: &Path, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(), NpmError> {
        let folder = path.parent().unwrap_or(path);
        let mut authorities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#', '[']) {
                continue;
            }
            let wrong = |reason: String| NpmError::Npmrc { file: super::shown(path), line: index + 1, reason };
            let (key, value) = line.split_once('=').unwrap_or((line, "true"));
            let key = interpolated(key.trim(), env);
            let value = interpolated(unquoted(value.trim()), env);
            match key.as_str() {
                "ca" | "ca[]" => authorities.push(value.replace("\\n", "\n")),
                "cafile" => self.authority_files = vec![folder.join(value)],
                _ if key == "registry" || key.ends_with(":registry") => {
                    let url = Url::parse(&value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                    // The value may hold a password.
                    let url = url.ok_or_else(|| wrong(format!("`{key}` is not the URL of a registry")))?;
                    self.settings.insert(key, url.into());
                }
                _ => drop(self.settings.insert(key, value)),
            }
        }
        if !authorities.is_empty() {
            self.authorities = authorities;
        }
        Ok(())
    }

    /// Where a package comes from: the registry of its scope, or the one for all.
    #[must_use]
    pub fn registry(&self, package: &str) -> String {
        let scope = package.split_once('/').map(|(scope, _)| scope).filter(|scope| scope.starts_with('@'));
        let of_scope = scope.and_then(|scope| self.settings.get(&format!("{scope}:registry")));
        let named = of_scope.or_else(|| self.settings.get("registry"));
        with_slash(named.map_or(PUBLIC, String::as_str))
    }

    /// The value of `Authorization` for a URL: what `//host/path/:_authToken` and its like say, the longest path first.
    #[must_use]
    pub fn authorization(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let mut path = url.path();
        loop {
            let at = path.rfind('/')?;
            path = path.get(..at)?;
            let setting = |name: &str| {
                let with_slash = self.settings.get(&format!("//{host}{port}{path}/:{name}"));
                with_slash.or_else(|| self.settings.get(&format!("//{host}{port}{path}:{name}")))
            };
            if let Some(token) = setting("_authToken") {
                return Some(format!("Bearer {token}"));
            }
            if let Some(basic) = setting("_auth") {
                return Some(format!("Basic {basic}"));
            }
            if let (Some(user), Some(password)) = (setting("username"), setting("_password")) {
                let password = String::from_utf8(STANDARD.decode(password).ok()?).ok()?;
                return Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
            }
        }
    }

    /// The proxies for `https` and `http`, and the hosts that are asked without one.
    #[must_use]
    pub fn proxies(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        let setting = |name: &str| {
            let value = self.settings.get(name).map(String::as_str);
            value.filter(|value| !matches!(*value, "" | "null" | "false"))
        };
        let plain = setting("proxy");
        (setting("https-proxy").or(plain), plain, setting("noproxy"))
    }

    /// Whether servers have to prove who they are.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.settings.get("strict-ssl").is_none_or(|value| value != "false")
    }
}

fn with_slash(url: &str) -> String {
    if url.ends_with('/') { url.to_owned() } else { format!("{url}/") }
}

fn read(path: &Path) -> Result<Option<String>, NpmError> {
    let wrong = |reason: String| NpmError::Npmrc { file: super::shown(path), line: 1, reason };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(wrong(format!("is larger than {MAX_BYTES} bytes"))),
        _ => {}
    }
    std::fs::read_to_string(path).map(Some).map_err(|error| wrong(format!("cannot be read: {error}")))
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// `${NAME}` by the environment. One that is not there stays as it is written; `${NAME?}` becomes nothing then.
fn interpolated(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (bare, is_optional) = name.strip_suffix('?').map_or((name, false), |bare| (bare, true));
        match env(bare) {
            Some(value) => out.push_str(&value),
            None if is_optional => {}
            None => out.extend(["${", name, "}"]),
        }
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npmrc(text: &str, env: &[(&str, &str)]) -> Result<Npmrc, NpmError> {
        let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut npmrc = Npmrc::default();
        npmrc.add(Path::new("/p/.npmrc"), text, &|name| env.get(name).cloned()).map(|()| npmrc)
    }

    fn authorization(npmrc: &Npmrc, url: &str) -> Option<String> {
        npmrc.authorization(&Url::parse(url).unwrap())
    }

    #[test]
    fn scopes_have_registries_of_their_own() {
        let npmrc = npmrc("registry=https://a.example\n@s:registry = \"https://b.example/npm/\"\n", &[]).unwrap();
        assert_eq!(npmrc.registry("lodash").as_str(), "https://a.example/");
        assert_eq!(npmrc.registry("@s/x").as_str(), "https://b.example/npm/");
        assert_eq!(npmrc.registry("@t/x").as_str(), "https://a.example/");
        assert_eq!(Npmrc::default().registry("x").as_str(), PUBLIC);
    }

    #[test]
    fn a_token_is_for_its_host_port_and_path_only() {
        let text = "//a.example/:_authToken=${TOKEN}\n//a.example/team/:_authToken=other\n//b.example:4873/:_auth=eDp5\n\
                    //c.example/:username=u\n//c.example/:_password=cA==\n";
        let npmrc = npmrc(text, &[("TOKEN", "secret")]).unwrap();
        assert_eq!(authorization(&npmrc, "https://a.example/x").as_deref(), Some("Bearer secret"));
        assert_eq!(authorization(&npmrc, "https://a.example/team/x/-/x.tgz").as_deref(), Some("Bearer other"));
        assert_eq!(authorization(&npmrc, "http://b.example:4873/x").as_deref(), Some("Basic eDp5"));
        assert_eq!(authorization(&npmrc, "https://c.example/x").as_deref(), Some("Basic dTpw"));
        for other in ["https://b.example/x", "https://a.example.evil/x", "https://evil/a.example/x"] {
            assert_eq!(authorization(&npmrc, other), None, "{other}");
        }
    }

    #[test]
    fn variables_that_are_not_there_stay_or_vanish() {
        let env = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(interpolated("${A}-${B}-${B?}-${A?}${", &env), "1-${B}--1${");
    }

    #[test]
    fn secrets_are_never_shown() {
        let npmrc = npmrc("//a.example/:_authToken=secret\n", &[]).unwrap();
        assert!(!format!("{npmrc:?}").contains("secret"));
        let told = super::tests::npmrc("\nregistry=nonsense-with-secret", &[]).unwrap_err().to_string();
        assert_eq!(told, "/p/.npmrc:2: `registry` is not the URL of a registry");
    }

    #[test]
    fn comments_quotes_authorities_and_proxies_are_read() {
        let text = "; a\n# b\n[section]\nca[]=\"one\\ntwo\"\nca[]=three\ncafile=ca.pem\nproxy=http://p:1\nstrict-ssl=false\n\
                    noproxy=localhost\n";
        let npmrc = npmrc(text, &[]).unwrap();
        assert_eq!(npmrc.authorities, ["one\ntwo", "three"]);
        assert_eq!(npmrc.authority_files, [Path::new("/p/ca.pem")]);
        assert_eq!(npmrc.proxies(), (Some("http://p:1"), Some("http://p:1"), Some("localhost")));
        assert!(!npmrc.verifies() && Npmrc::default().verifies());
    }

    #[test]
    fn the_project_stands_over_the_user_and_the_environment_over_both() {
        let (home, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(home.path().join(".npmrc"), "registry=https://user.example\n@s:registry=https://s.example\n")
            .unwrap();
        std::fs::write(project.path().join(".npmrc"), "registry=https://project.example\n").unwrap();
        std::fs::create_dir(project.path().join("policies")).unwrap();
        let home = home.path().display().to_string();
        let load = |registry: Option<&str>| {
            let env = |name: &str| match name {
                "HOME" => Some(home.clone()),
                "npm_config_registry" => registry.map(str::to_owned),
                "HTTPS_PROXY" => Some("http://proxy.example".to_owned()),
                _ => None,
            };
            Npmrc::load_with(Some(&project.path().join("policies")), &env).unwrap()
        };
        assert_eq!(load(None).registry("x").as_str(), "https://project.example/");
        assert_eq!(load(None).registry("@s/x").as_str(), "https://s.example/");
        assert_eq!(load(Some("https://env.example")).registry("x").as_str(), "https://env.example/");
        assert_eq!(load(None).proxies().0, Some("http://proxy.example"));
    }
}
