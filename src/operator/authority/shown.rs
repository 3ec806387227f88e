//! Whether clients trust a bundle by now: what the webhook configurations that call us show.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::timeout;

use super::super::fault::reason;
use super::material::certificates;

/// Whoever knows what the webhook configurations say.
pub trait Shown: Send + Sync + 'static {
    /// Whether every webhook configuration that calls us trusts each certificate of this bundle.
    fn shows<'a>(&'a self, bundle: &'a [u8]) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

/// Reads the configurations themselves, jsPolicy's among them: what they show is what API servers are told, whoever wrote
/// it.
pub struct Configurations {
    client: Client,
    /// Namespace and name of the Service that leads to us.
    service: (String, String),
    /// Where an API server outside of the cluster's network reaches us.
    url: Option<String>,
}

/// Both lists together.
const WITHIN: Duration = Duration::from_secs(10);

impl Configurations {
    #[must_use]
    pub fn new(client: Client, namespace: &str, service: &str, url: Option<&str>) -> Self {
        let url = url.map(|url| url.trim_end_matches('/').to_owned());
        Self { client, service: (namespace.to_owned(), service.to_owned()), url }
    }

    async fn read(&self) -> Result<Vec<WebhookClientConfig>, kube::Error> {
        let everything = ListParams::default();
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let validating = validating.list(&everything).await?.items.into_iter();
        let mutating = mutating.list(&everything).await?.items.into_iter();
        let validating = validating.flat_map(|one| one.webhooks.unwrap_or_default()).map(|one| one.client_config);
        let mutating = mutating.flat_map(|one| one.webhooks.unwrap_or_default()).map(|one| one.client_config);
        Ok(validating.chain(mutating).filter(|client| self.calls_us(client)).collect())
    }

    fn calls_us(&self, client: &WebhookClientConfig) -> bool {
        let (namespace, name) = &self.service;
        let by_service =
            client.service.as_ref().is_some_and(|service| &service.namespace == namespace && &service.name == name);
        let by_url = self.url.as_ref().zip(client.url.as_ref()).is_some_and(|(ours, url)| {
            url.strip_prefix(ours.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        });
        by_service || by_url
    }
}

fn trusts(client: &WebhookClientConfig, wanted: &BTreeSet<Vec<u8>>) -> bool {
    let shown = client.ca_bundle.as_ref().map(|bundle| certificates(&bundle.0)).unwrap_or_default();
    wanted.is_subset(&shown)
}

impl Shown for Configurations {
    fn shows<'a>(&'a self, bundle: &'a [u8]) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let wanted = certificates(bundle);
            match timeout(WITHIN, self.read()).await {
                Ok(Ok(clients)) => clients.iter().all(|client| trusts(client, &wanted)),
                Ok(Err(error)) => {
                    tracing::debug!(error = %reason(&error), "the webhook configurations could not be read");
                    false
                }
                Err(_) => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::api::admissionregistration::v1::ServiceReference;
    use std::time::SystemTime;

    use super::super::material::tests::whole;
    use super::super::material::{Ca, pem};
    use super::*;

    fn ours() -> Configurations {
        let client = Client::try_from(kube::Config::new("https://127.0.0.1:1".parse().unwrap())).unwrap();
        Configurations::new(client, "bylaw", "jspolicy", Some("https://10.0.0.1:8443/"))
    }

    #[tokio::test]
    async fn webhooks_that_call_us_are_known_by_service_or_url() {
        let ours = ours();
        let service = |namespace: &str, name: &str| WebhookClientConfig {
            service: Some(ServiceReference {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..ServiceReference::default()
            }),
            ..WebhookClientConfig::default()
        };
        assert!(ours.calls_us(&service("bylaw", "jspolicy")));
        assert!(!ours.calls_us(&service("other", "jspolicy")) && !ours.calls_us(&service("bylaw", "other")));
        for (url, calls) in [
            ("https://10.0.0.1:8443", true),
            ("https://10.0.0.1:8443/validate/fail", true),
            ("https://10.0.0.1:84430/validate", false),
            ("https://10.0.0.2:8443/validate", false),
        ] {
            let client = WebhookClientConfig { url: Some(url.to_owned()), ..WebhookClientConfig::default() };
            assert_eq!(ours.calls_us(&client), calls, "{url}");
        }
        assert!(!ours.shows(b"").await, "an API server that is not there confirms nothing");
    }

    #[test]
    fn a_bundle_is_shown_when_each_of_its_certificates_is() {
        let now = SystemTime::now();
        let [one, other]: [Ca; 2] = [(); 2].map(|()| whole(now).bundle.remove(0));
        let client = |bundle: &[Ca]| WebhookClientConfig {
            ca_bundle: Some(ByteString(pem(bundle).into_bytes())),
            ..WebhookClientConfig::default()
        };
        let both = certificates(pem(&[one.clone(), other.clone()]).as_bytes());
        assert!(trusts(&client(&[other.clone(), one.clone()]), &both));
        assert!(!trusts(&client(&[one]), &both) && !trusts(&client(&[other]), &both));
        assert!(!trusts(&WebhookClientConfig::default(), &both));
    }
}
