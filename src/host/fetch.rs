//! `fetch`: HTTP to the hosts a policy was granted, each redirect judged anew.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use hyper::ext::ReasonPhrase;
use hyper::http::Extensions;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::sync::Semaphore;
use url::Url;

use super::arguments::{FetchArguments, parse};
use super::net::{LeadsToMetadata, NoMetadata, Target};
use super::pretence::response;
use super::{Answer, Begun, Caller, HostError, HostLimits, Objects, api_fetch, headers, permission};
use crate::policy::spec::Permissions;

/// Clients for policies' requests, made when first needed.
pub struct Fetcher {
    clients: Arc<Clients>,
    turns: Arc<Semaphore>,
    limits: HostLimits,
}

/// One client for each way of connecting, for a client keeps its connections.
#[derive(Default)]
struct Clients {
    checked: OnceLock<Client>,
    unchecked: OnceLock<Client>,
    /// These two for hosts that a permission names, wherever the name leads.
    named: OnceLock<Client>,
    named_unchecked: OnceLock<Client>,
}

/// One request, with what it takes to judge where it is sent on to.
struct Fetch {
    policy: String,
    permissions: Permissions,
    deadline: std::time::Instant,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
    insecure: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchAnswer {
    pub status: u16,
    pub status_text: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Fetcher {
    pub fn new(limits: HostLimits) -> Self {
        Self { clients: Arc::default(), turns: Arc::new(Semaphore::new(limits.fetches)), limits }
    }

    pub fn begin(&self, caller: &Caller<'_>, args: &str, objects: &Objects) -> Result<Begun, HostError> {
        let fetch = Fetch::read(caller, parse("fetch", args)?, self.limits.fetch_bytes)?;
        if let Some(pretence) = objects.pretence() {
            let arguments = serde_json::from_str(args).unwrap_or_default();
            let (status, body) = pretence.fetch(caller.policy, &arguments)?;
            return Ok(Begun::Done(Some(response(status, &body))));
        }
        if let Some(cluster) = objects.api_server(caller, &fetch.url)? {
            let Fetch { method, url, headers, body, .. } = fetch;
            let (turns, limit) = (self.turns.clone(), self.limits.fetch_bytes);
            return Ok(Begun::Waits(Box::pin(async move {
                let _turn = turns.acquire().await.map_err(|_| HostError::internal())?;
                api_fetch::run(&cluster, &method, &url, &headers, body.as_deref().unwrap_or_default(), limit).await
            })));
        }
        let (clients, turns, limits) = (self.clients.clone(), self.turns.clone(), self.limits);
        Ok(Begun::Waits(Box::pin(async move {
            let _turn = turns.acquire().await.map_err(|_| HostError::internal())?;
            fetch.run(&clients, limits).await
        })))
    }
}

impl Fetch {
    fn read(caller: &Caller<'_>, args: FetchArguments, limit: usize) -> Result<Self, HostError> {
        let wrong = |cause: String| HostError::wrong_arguments("fetch", cause);
        let url = Url::parse(&args.url).map_err(|e| wrong(format!("url: {e}")))?;
        permission::net(caller, &Target::of(&url)?)?;
        let method = args.method.as_deref().filter(|method| !method.is_empty()).unwrap_or("GET").to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| wrong(format!("method: {method:?} is none")))?;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(wrong(format!("method: {method} is not supported")));
        }
        if args.body.as_ref().is_some_and(|body| body.len() > limit) {
            return Err(HostError::new("TooLarge", format!("the body of the request is larger than {limit} bytes")));
        }
        Ok(Self {
            policy: caller.policy.to_owned(),
            permissions: caller.permissions.clone(),
            deadline: caller.deadline,
            method,
            url,
            headers: headers::to_send(&args.headers.unwrap_or_default())?,
            body: args.body,
            insecure: args.insecure.unwrap_or(false),
        })
    }

    async fn run(mut self, clients: &Clients, limits: HostLimits) -> Answer {
        for _ in 0..=limits.redirects {
            let response = self.send(clients).await?;
            match next(&response) {
                Some(location) => self.follow(response.status(), &location)?,
                None => return receive(response, limits.fetch_bytes).await,
            }
        }
        Err(HostError::new("FetchFailed", format!("stopped after {} redirects", limits.redirects)))
    }

    async fn send(&self, clients: &Clients) -> Result<Response, HostError> {
        let named = Target::of(&self.url)?.is_named_by(&self.permissions.net);
        let mut request = clients.get(self.insecure, named)?.request(self.method.clone(), self.url.clone());
        request = request.headers(self.headers.clone());
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| failed(&error))
    }

    /// Turns to where a redirect points, with what Go's client would take along (RFC 9110 §15.4).
    fn follow(&mut self, status: StatusCode, location: &str) -> Result<(), HostError> {
        let here = self.url.clone();
        let there = here.join(location);
        let there = there.map_err(|e| HostError::new("FetchFailed", format!("redirected to no URL: {e}")))?;
        let target = Target::of(&there)?;
        let caller = Caller {
            policy: &self.policy,
            permissions: &self.permissions,
            dry_run: false,
            reconciles: false,
            review: None,
            deadline: self.deadline,
        };
        permission::net(&caller, &target)?;
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if !keeps_method {
            if self.method != Method::HEAD {
                self.method = Method::GET;
            }
            self.body = None;
            for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
                self.headers.remove(name);
            }
        }
        if there.origin() != here.origin() {
            for name in headers::SECRETS {
                self.headers.remove(name);
            }
        }
        self.url = there;
        Ok(())
    }
}

impl Clients {
    fn get(&self, insecure: bool, named: bool) -> Result<&Client, HostError> {
        let slot = match (insecure, named) {
            (false, false) => &self.checked,
            (true, false) => &self.unchecked,
            (false, true) => &self.named,
            (true, true) => &self.named_unchecked,
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("bylaw/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .pool_max_idle_per_host(8)
            .danger_accept_invalid_certs(insecure);
        if !named {
            builder = builder.dns_resolver(NoMetadata);
        }
        let client = builder.build().map_err(|error| failed(&error))?;
        Ok(slot.get_or_init(|| client))
    }
}

fn next(response: &Response) -> Option<String> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = redirects.then(|| response.headers().get(LOCATION)).flatten()?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

async fn receive(mut response: Response, limit: usize) -> Answer {
    let too_large = || HostError::new("TooLarge", format!("the body of the response is larger than {limit} bytes"));
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let answer = FetchAnswer {
        status: response.status().as_u16(),
        status_text: status_text(response.status(), response.extensions()),
        headers: headers::received(response.headers()),
        body: String::from_utf8(body).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    };
    serde_json::to_string(&answer).map(Some).map_err(|_| HostError::internal())
}

/// `200 OK`: what stood in the status line, as jsPolicy showed it.
pub fn status_text(status: StatusCode, extensions: &Extensions) -> String {
    let said = extensions.get::<ReasonPhrase>().map(|said| String::from_utf8_lossy(said.as_bytes()));
    let phrase = said.as_deref().or_else(|| status.canonical_reason()).unwrap_or_default();
    format!("{} {phrase}", status.as_u16()).trim_end().to_owned()
}

/// The innermost cause says it best: reqwest's own text is "error sending request", with the URL and its secrets.
fn failed(error: &reqwest::Error) -> HostError {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let reason = if cause.is::<LeadsToMetadata>() { "PermissionDenied" } else { "FetchFailed" };
    HostError::new(reason, cause)
}

#[cfg(test)]
mod tests;
