//! A cluster read once from end to end: which resources it serves, and their objects page by page.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResourceList};
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::discovery::Resource;
use super::limits::PAGE;
use super::object::StoredObject;
use super::server::ApiServer;
use super::{ClusterError, Kind};

/// One request. A page of large objects takes the API server a while.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// How often a request is sent where the API server has a bad moment, and how long the first pause is.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// One version of a resource that can be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub kind: Kind,
    pub plural: String,
    pub namespaced: bool,
}

/// What the API server serves.
#[derive(Debug, Default)]
pub struct Served {
    /// The versions of a group stand together, the preferred one first.
    pub resources: Vec<Listed>,
    /// Group versions that could not be asked about, and why: an extension that is down takes nothing else along.
    pub unknown: Vec<(String, ClusterError)>,
}

/// Reads a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Survey {
    server: ApiServer,
    pause: Duration,
}

impl Survey {
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { server: ApiServer::own(client), pause: PAUSE }
    }

    /// The resources of the groups and versions that are `wanted`.
    ///
    /// # Errors
    /// Where the API server does not say which groups it has.
    pub async fn served(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<Served, ClusterError> {
        let mut versions = vec![(String::new(), "v1".to_owned())];
        let groups: APIGroupList = parse(&self.get("/apis").await?, "the list of API groups")?;
        for group in groups.groups {
            let preferred = group.preferred_version.map(|preferred| preferred.version);
            let mut of_group: Vec<String> = group.versions.into_iter().map(|version| version.version).collect();
            of_group.sort_by_key(|version| Some(version) != preferred.as_ref());
            versions.extend(of_group.into_iter().map(|version| (group.name.clone(), version)));
        }
        let mut served = Served::default();
        for (group, version) in versions.into_iter().filter(|(group, version)| wanted(group, version)) {
            let (path, name) = match &*group {
                "" => (format!("/api/{version}"), version),
                group => (format!("/apis/{group}/{version}"), format!("{group}/{version}")),
            };
            let listed = self.get(&path).await.and_then(|text| resources(&text, &name));
            match listed {
                Ok(listed) => served.resources.extend(listed),
                Err(error @ ClusterError::Unreachable(_)) => return Err(error),
                Err(error) => served.unknown.push((name, error)),
            }
        }
        Ok(served)
    }

    /// All objects of a resource, in one namespace or in all.
    #[must_use]
    pub fn pages(&self, of: &Listed, namespace: Option<&str>) -> Pages {
        let Listed { kind, plural, namespaced } = of.clone();
        let resource = Resource { kind: kind.clone(), plural, namespaced };
        let path = resource.path(namespace.unwrap_or_default(), None);
        Pages { survey: self.clone(), kind, path, next: Some(String::new()), limit: PAGE, last: None, is_again: false }
    }

    /// Whether this user may list namespaces: who waits for those of a user who may not waits in vain.
    pub async fn sees_namespaces(&self) -> bool {
        self.get("/api/v1/namespaces?limit=1").await.is_ok()
    }

    async fn get(&self, path: &str) -> Result<String, ClusterError> {
        self.ask(path).await.map_err(|refused| refused.error)
    }

    /// Asks again where that may help.
    async fn ask(&self, path: &str) -> Result<String, Refused> {
        let mut attempt = 1;
        loop {
            let answer = tokio::time::timeout(ANSWERS_WITHIN, self.server.get_or_refusal(path)).await;
            let refused = match answer {
                Ok(Ok(text)) => return Ok(text),
                Ok(Err((error, body))) => Refused { error, body },
                Err(_) => Refused { error: ClusterError::Timeout, body: String::new() },
            };
            let may_pass = matches!(&refused.error, ClusterError::Api { code: 429 | 500 | 502..=504, .. });
            if !may_pass || attempt == ATTEMPTS {
                return Err(refused);
            }
            tokio::time::sleep(self.pause * 2_u32.pow(attempt - 1)).await;
            attempt += 1;
        }
    }
}

/// A refusal, and the `metav1.Status` that came with it.
struct Refused {
    error: ClusterError,
    body: String,
}

/// A list under way; one page of it is in memory at a time.
pub struct Pages {
    survey: Survey,
    kind: Kind,
    path: String,
    /// The token of the next page, empty for the first; `None` after the last.
    next: Option<String>,
    limit: usize,
    /// Namespace and name of the last object that was given out: lists are in their order.
    last: Option<(String, String)>,
    /// The list began anew: what was given out already is left out.
    is_again: bool,
}

impl Pages {
    /// The texts of the next objects; `None` when there are no more.
    ///
    /// # Errors
    /// Where the API server refuses; no more comes after that.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, ClusterError> {
        while let Some(token) = self.next.clone() {
            let text = match self.survey.ask(&format!("{}?{}", self.path, self.query(&token))).await {
                Ok(text) => text,
                Err(refused) => {
                    self.recover(&token, refused)?;
                    continue;
                }
            };
            let page: Page<'_> = parse(&text, "a page of a list")?;
            self.next = Some(page.metadata.next).filter(|next| !next.is_empty());
            let mut texts = Vec::new();
            for item in page.items.unwrap_or_default() {
                let object = StoredObject::from_text(item.get(), &self.kind)?;
                let place = (object.namespace.to_string(), object.name.to_string());
                if self.is_again && self.last.as_ref().is_some_and(|last| place <= *last) {
                    continue;
                }
                self.last = Some(place);
                texts.push(object.text.to_string());
            }
            return Ok(Some(texts));
        }
        Ok(None)
    }

    /// Goes on after a refusal that leaves a way to.
    fn recover(&mut self, token: &str, refused: Refused) -> Result<(), ClusterError> {
        let Refused { error, body } = refused;
        match &error {
            // The list is older than what the API server remembers. It offers to go on with what is there now; where it
            // does not, the list begins anew.
            ClusterError::Api { code: 410, .. } if !token.is_empty() => {
                let offered = serde_json::from_str::<Page<'_>>(&body).ok().map(|status| status.metadata.next);
                let offered = offered.filter(|offered| !offered.is_empty() && offered != token);
                self.is_again = offered.is_none();
                self.next = Some(offered.unwrap_or_default());
                Ok(())
            }
            ClusterError::TooLarge { .. } if self.limit > 1 => {
                self.limit /= 2;
                Ok(())
            }
            _ => {
                self.next = None;
                Err(error)
            }
        }
    }

    fn query(&self, token: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        if !token.is_empty() {
            query.append_pair("continue", token);
        }
        query.finish()
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, ClusterError> {
    serde_json::from_str(text)
        .map_err(|error| ClusterError::Malformed { what: what.to_owned(), cause: error.to_string() })
}

/// What can be listed of a group version; subresources cannot.
fn resources(text: &str, api_version: &str) -> Result<Vec<Listed>, ClusterError> {
    let list: APIResourceList = parse(text, "the list of an API group's resources")?;
    let can_be_listed = |verbs: &[String], name: &str| !name.contains('/') && verbs.iter().any(|verb| verb == "list");
    let listed = list.resources.into_iter().filter(|resource| can_be_listed(&resource.verbs, &resource.name));
    listed
        .map(|resource| {
            let kind = Kind::new(api_version, &resource.kind)?;
            Ok(Listed { kind, plural: resource.name, namespaced: resource.namespaced })
        })
        .collect()
}

#[cfg(test)]
mod tests;
