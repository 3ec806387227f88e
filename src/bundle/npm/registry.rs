//! Asking a registry: over HTTP, under bounds, with the token of its host and nobody else's, again when it stumbles.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, NoProxy, Proxy, Response, StatusCode};
use url::Url;

use super::caps::Caps;
use super::error::NpmError;
use super::npmrc::Npmrc;
use super::packument::Packument;

/// The short form: what an installer needs, a tenth of the long one.
const ABBREVIATED: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

const CONNECT: Duration = Duration::from_secs(10);

/// How long a registry may say nothing.
const SILENCE: Duration = Duration::from_secs(20);

/// Waits before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

const MAX_REDIRECTS: usize = 5;

/// Where the public registry's packuments say that tarballs are; mirrors repeat it.
const PUBLIC_HOST: &str = "registry.npmjs.org";

pub struct Registry {
    client: Client,
    npmrc: Npmrc,
    caps: Caps,
}

/// Why one attempt failed.
enum Failure {
    /// Worth another.
    Stumbled(String),
    Final(NpmError),
}

impl Registry {
    /// # Errors
    /// Where the configuration names authorities or proxies that are none.
    pub fn new(npmrc: Npmrc, caps: Caps) -> Result<Self, NpmError> {
        let client = client(&npmrc).map_err(|reason| NpmError::Npmrc { file: ".npmrc".to_owned(), line: 1, reason })?;
        Ok(Self { client, npmrc, caps })
    }

    /// Where a package comes from.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        self.npmrc.registry(name)
    }

    /// The versions of a package.
    ///
    /// # Errors
    /// Where there is no such package, or nobody answers as a registry does.
    pub async fn packument(&self, name: &str) -> Result<Packument, NpmError> {
        let registry = self.npmrc.registry(name);
        let address = format!("{registry}{}", name.replace('/', "%2f"));
        let url = url_of(name, &registry, &address)?;
        let bytes = self.get(name, &registry, &url, ABBREVIATED, self.caps.packument, "its versions").await?;
        Packument::parse(name, &registry, &bytes)
    }

    /// The bytes of a tarball, not verified yet; `address` is what the packument says.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub async fn tarball(&self, name: &str, package: &str, address: &str) -> Result<Vec<u8>, NpmError> {
        let registry = self.npmrc.registry(name);
        let mut url = url_of(package, &registry, address)?;
        let home = url_of(package, &registry, &registry)?;
        if url.host_str() == Some(PUBLIC_HOST) && home.host_str() != Some(PUBLIC_HOST) {
            let path = url.path().trim_start_matches('/').to_owned();
            url = url_of(package, &registry, &format!("{registry}{path}"))?;
        }
        let is_at_home = url.origin() == home.origin();
        if !is_at_home && url.scheme() != "https" {
            let reason = format!("it is to be had from `{}`, which is neither its registry nor https", origin(&url));
            return Err(NpmError::Tarball { package: package.to_owned(), reason });
        }
        self.get(package, &registry, &url, "*/*", self.caps.packed, "the bytes of its tarball").await
    }

    async fn get(
        &self,
        package: &str,
        registry: &str,
        url: &Url,
        accept: &str,
        limit: u64,
        what: &str,
    ) -> Result<Vec<u8>, NpmError> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.attempt(package, registry, url, accept, limit, what).await {
                Ok(bytes) => return Ok(bytes),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Stumbled(reason)) => {
                    let Some(pause) = pauses.next() else {
                        let (package, registry) = (package.to_owned(), registry.to_owned());
                        return Err(NpmError::Unreachable { package, registry, reason });
                    };
                    tokio::time::sleep(*pause).await;
                }
            }
        }
    }

    async fn attempt(
        &self,
        package: &str,
        registry: &str,
        url: &Url,
        accept: &str,
        limit: u64,
        what: &str,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, accept);
        if let Some(authorization) = self.npmrc.authorization(url) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.send().await.map_err(|error| Failure::Stumbled(cause(&error)))?;
        let status = response.status();
        let (package, registry) = (package.to_owned(), registry.to_owned());
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(Failure::Final(NpmError::NoPackage { package, registry, found_near: None }));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Failure::Final(NpmError::Forbidden { package, registry, status: status.as_u16() }));
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Stumbled(format!("it answers {status}")));
            }
            _ if status.is_server_error() => return Err(Failure::Stumbled(format!("it answers {status}"))),
            _ => {
                let reason = format!("it answers {status}");
                return Err(Failure::Final(NpmError::Unreachable { package, registry, reason }));
            }
        }
        let too_large = || NpmError::TooLarge { package: package.clone(), what: what.to_owned(), limit };
        body(response, limit).await.map_err(Failure::Stumbled)?.ok_or_else(|| Failure::Final(too_large()))
    }
}

fn url_of(package: &str, registry: &str, address: &str) -> Result<Url, NpmError> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| NpmError::Unreachable {
        package: package.to_owned(),
        registry: registry.to_owned(),
        reason: "its address is not a URL".to_owned(),
    })
}

/// All of an answer; `None` where it is longer than it may be.
async fn body(mut response: Response, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        if bytes.len() as u64 + chunk.len() as u64 > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn client(npmrc: &Npmrc) -> Result<Client, String> {
    let redirect = Policy::custom(|attempt| {
        let falls_back =
            attempt.url().scheme() != "https" && attempt.previous().iter().any(|url| url.scheme() == "https");
        if falls_back {
            attempt.error("it leads from https to http")
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("it leads on and on")
        } else {
            attempt.follow()
        }
    });
    let mut builder = Client::builder()
        .user_agent(concat!("bylaw/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .redirect(redirect)
        // What npm is told about proxies counts, and it is told of those in the environment.
        .no_proxy()
        .tls_danger_accept_invalid_certs(!npmrc.verifies());
    let (for_https, for_http, without) = npmrc.proxies();
    let wrong = |setting: &str| format!("`{setting}` is not the URL of a proxy");
    if let Some(address) = for_https {
        let proxy = Proxy::https(address).map_err(|_| wrong("https-proxy"))?;
        builder = builder.proxy(proxy.no_proxy(without.and_then(NoProxy::from_string)));
    }
    if let Some(address) = for_http {
        let proxy = Proxy::http(address).map_err(|_| wrong("proxy"))?;
        builder = builder.proxy(proxy.no_proxy(without.and_then(NoProxy::from_string)));
    }
    let mut authorities = Vec::new();
    for pem in &npmrc.authorities {
        authorities.extend(certificates(pem.as_bytes()).map_err(|reason| format!("`ca`: {reason}"))?);
    }
    for path in &npmrc.authority_files {
        let wrong = |reason: String| format!("{}: {reason}", super::shown(path));
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        authorities.extend(certificates(&pem).map_err(wrong)?);
    }
    if !authorities.is_empty() {
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build().map_err(|error| cause(&error))
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    Certificate::from_pem_bundle(pem).map_err(|_| "is no certificate in PEM".to_owned())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The innermost cause says it best; the outer ones repeat the URL.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() { "it says nothing".to_owned() } else { cause.to_string() }
}
