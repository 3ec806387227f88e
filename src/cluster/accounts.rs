//! Asking the API server as a `ServiceAccount` instead of as Bylaw: a policy with one of its own can do what that account
//! may, and nothing that Bylaw alone may.
//!
//! Tokens come from the `TokenRequest` API. They live an hour, are kept in memory and nowhere else, and are replaced
//! well before they end.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use hyper::http::HeaderValue;
use kube::Client;
use lru::LruCache;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::ClusterError;
use super::client::Connected;
use super::server::ApiServer;
use crate::policy::Account;

/// Accounts whose tokens are kept; with more, those that were used last.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// What is asked for. The API server may give less.
const LIFE: Duration = Duration::from_hours(1);

/// A token is replaced after this part of its life, as kubelets do.
const RENEWED_AFTER: f64 = 0.8;

/// One request for a token. A policy has a deadline of its own besides.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How long a refusal is believed: reviews come by the thousand, and each would ask again.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// The accounts that policies ask as.
pub struct Accounts {
    /// As Bylaw, to ask for tokens.
    own: ApiServer,
    /// The same way without Bylaw's credentials, which would go along with every request.
    bare: Client,
    /// Bylaw's own, where accounts are that say no other.
    namespace: Option<String>,
    /// Hosts and ports at which the API server is reached.
    addresses: Vec<(String, u16)>,
    known: Mutex<LruCache<Account, Arc<Slot>>>,
}

/// What is known of one account. Who asks for its token keeps the others waiting: they want the same.
type Slot = tokio::sync::Mutex<Known>;

#[derive(Default)]
struct Known {
    token: Option<Token>,
    refused: Option<(Instant, ClusterError)>,
}

struct Token {
    /// Marked sensitive: it is not shown by `Debug`.
    header: HeaderValue,
    renewed_at: Instant,
    ends: Instant,
}

impl Accounts {
    /// `namespace` is Bylaw's own.
    #[must_use]
    pub fn new(connected: &Connected, namespace: Option<String>) -> Self {
        let Connected { client, bare, addresses } = connected.clone();
        let known = Mutex::new(LruCache::new(MOST));
        Self { own: ApiServer::own(client), bare, namespace, addresses, known }
    }

    /// The API server as this account sees it.
    pub(super) fn server(self: &Arc<Self>, account: &Account) -> ApiServer {
        let account = account.within(self.namespace.as_deref());
        ApiServer::acting(self.bare.clone(), Arc::clone(self), account)
    }

    /// Whether a URL leads to the API server over TLS.
    pub(super) fn lead_to(&self, url: &Url) -> bool {
        let address = url.host_str().zip(url.port_or_known_default());
        let is_known =
            |(host, port): (&str, u16)| self.addresses.iter().any(|(known, at)| known == host && *at == port);
        url.scheme() == "https" && address.is_some_and(is_known)
    }

    /// The `Authorization` of an account.
    ///
    /// # Errors
    /// Where there is no such account, or Bylaw may not ask for its tokens.
    pub(super) async fn bearer(&self, account: &Account) -> Result<HeaderValue, ClusterError> {
        let slot = self.slot(account);
        let mut known = slot.lock().await;
        let now = Instant::now();
        if let Some(token) = known.token.as_ref().filter(|token| now < token.renewed_at) {
            return Ok(token.header.clone());
        }
        let asked = match &known.refused {
            Some((until, error)) if now < *until => Err(error.clone()),
            _ => self.ask(account).await,
        };
        match asked {
            Ok(token) => {
                let header = token.header.clone();
                *known = Known { token: Some(token), refused: None };
                Ok(header)
            }
            Err(error) => {
                if known.refused.as_ref().is_none_or(|(until, _)| *until <= now) {
                    tracing::warn!(%account, %error, "no token");
                    known.refused = Some((Instant::now() + REFUSED_FOR, error.clone()));
                }
                // It was to be replaced early; until its end it is as good as a new one.
                let holds = known.token.as_ref().filter(|token| Instant::now() < token.ends);
                holds.map(|token| token.header.clone()).ok_or(error)
            }
        }
    }

    /// The API server does not take this one any more: the account was made anew, or the keys are others.
    pub(super) async fn spoilt(&self, account: &Account, header: &HeaderValue) {
        let slot = self.slot(account);
        let mut known = slot.lock().await;
        if known.token.as_ref().is_some_and(|token| token.header == *header) {
            known.token = None;
        }
    }

    fn slot(&self, account: &Account) -> Arc<Slot> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert(account.clone(), Arc::default))
    }

    /// Boxed, for a request waits for a token, which waits for a request: this one is Bylaw's own, and waits for none.
    fn ask<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Result<Token, ClusterError>> {
        Box::pin(async move {
            let refused = |cause: String| ClusterError::Account { account: account.to_string(), cause };
            let Some(namespace) = account.namespace() else {
                return Err(refused("it is not known which namespace it is in: write NAMESPACE/NAME".to_owned()));
            };
            let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{}/token", account.name());
            let body = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": { "expirationSeconds": LIFE.as_secs() },
            });
            let begun = Instant::now();
            let answer = tokio::time::timeout(ASKED_WITHIN, self.own.post_path(&path, body.to_string())).await;
            let answer = match answer {
                Ok(Ok(text)) => Token::read(&text, begun).ok_or_else(|| "the API server gave no token".to_owned()),
                Ok(Err(error)) => Err(told(&error)),
                Err(_) => Err("the API server did not answer".to_owned()),
            };
            answer.map_err(refused)
        })
    }
}

/// What it says, and what to do about it.
fn told(error: &ClusterError) -> String {
    match error {
        ClusterError::Api { code: 404, .. } => format!("{error}: make it, with the rights that the policy is to have"),
        ClusterError::Api { code: 403, .. } => {
            format!("{error}: apply what `bylaw crd --rbac -p POLICIES` prints, or give the chart its rbac.policyRoles")
        }
        _ => error.to_string(),
    }
}

impl Token {
    /// Lengths of time alone are looked at, for clocks of two machines differ.
    fn read(text: &str, begun: Instant) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            spec: Spec,
            status: Status,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            expiration_seconds: u32,
        }
        #[derive(Deserialize)]
        struct Status {
            token: String,
        }
        let Answer { spec, status } = serde_json::from_str(text).ok()?;
        let life = Duration::from_secs(spec.expiration_seconds.into());
        let mut header = HeaderValue::try_from(format!("Bearer {}", status.token)).ok()?;
        header.set_sensitive(true);
        let is_there = !status.token.is_empty();
        is_there.then(|| Self { header, renewed_at: begun + life.mul_f64(RENEWED_AFTER), ends: begun + life })
    }
}

#[cfg(test)]
mod tests;
