//! `bylaw vcluster values`: what the vCluster chart is to be given.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::host::HostArgs;
use crate::cli::Verdict;
use crate::cli::output::{OutputFormat, print, say, yaml};
use crate::cli::runtime::{Offline, Stage};
use crate::http::issue::{Issued, Signer};
use crate::tenancy::registration::{Files, Pair, files};
use crate::tenancy::{IDENTITY, VirtualCluster};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw vcluster values team-a/dev --kubeconfig ~/.kube/config > values.yaml\n  bylaw vcluster values team-a/dev --tamper-proof -p policies --url https://bylaw.bylaw-system.svc:443 --ca ca.crt --kubeconfig ~/.kube/config --namespace bylaw-system --only manifests | kubectl apply -f -"
)]
pub(super) struct ValuesArgs {
    /// The virtual cluster: NAMESPACE/NAME
    #[arg(value_name = "NAMESPACE/NAME")]
    vcluster: String,
    /// Give its API server (Kubernetes 1.36 on) the webhooks in files that no tenant sees or changes
    #[arg(long, requires_all = ["policies", "url"])]
    tamper_proof: bool,
    /// A policy file, a folder of them, or a policy package; may be given many times
    #[arg(short, long, value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Where its API server reaches Bylaw: https://HOST:PORT
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The authority that signed Bylaw's certificate, in PEM [default: none, for one that everybody trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The authority of --client-ca that is to sign the certificate of its API server, in PEM
    #[arg(long, value_name = "FILE", requires = "client_ca_key")]
    client_ca: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "client_ca")]
    client_ca_key: Option<PathBuf>,
    /// Only the values of the chart, or only the manifests for the host
    #[arg(long, value_enum)]
    only: Option<Only>,
    #[command(flatten)]
    host: HostArgs,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    Values,
    Manifests,
}

/// As long as people remember to renew it; whoever needs less signs one himself.
const CERTIFICATE_LIFE: Duration = Duration::from_hours(24 * 365);

pub(super) fn run(args: &ValuesArgs) -> anyhow::Result<Verdict> {
    let host = args.host.look()?;
    let vcluster = host.find(&args.vcluster)?;
    if !args.tamper_proof {
        if args.only == Some(Only::Manifests) {
            bail!("--only manifests goes with --tamper-proof: without it there are none");
        }
        write(args.output, &json!({ "values": plain(args.url.as_deref())? }))?;
        return Ok(Verdict::Yes);
    }
    let url = crate::cli::operate::https(args.url.as_deref().unwrap_or_default()).context("--url")?;
    let url = url.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let stage = Stage::new()?;
    let catalog = Offline::of(&args.policies).catalog(&stage)?;
    let door = format!("{url}/vcluster/{}", host.key()?.token(&vcluster).reveal());
    let authority = args.ca.as_ref().map(read).transpose()?.map(|pem| STANDARD.encode(pem)).unwrap_or_default();
    let identity = args.identity(&vcluster)?;
    let pair = identity.as_ref().map(|issued| Pair { certificate: &issued.certificate, key: &issued.key });
    if pair.is_none() {
        eprintln!(
            "warning: without --client-ca and --client-ca-key it has its token alone: what policies write for it is not done"
        );
    }
    let Files { values, config_map, secret } =
        files(&vcluster, &host.tenant(&vcluster), &catalog, (&door, &authority), pair.as_ref());
    let mut told = json!({ "values": values, "configMap": config_map, "secret": secret });
    if let (Some(only), Some(fields)) = (args.only, told.as_object_mut()) {
        fields.retain(|field, _| (field == "values") == (only == Only::Values));
    }
    write(args.output, &told)?;
    Ok(Verdict::Yes)
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !pem.starts_with(b"-----BEGIN ") {
        bail!("{} is not PEM", path.display());
    }
    Ok(pem)
}

impl ValuesArgs {
    /// The certificate of its API server, where there is an authority to sign it.
    fn identity(&self, vcluster: &VirtualCluster) -> anyhow::Result<Option<Issued>> {
        let (Some(certificate), Some(key)) = (&self.client_ca, &self.client_ca_key) else { return Ok(None) };
        let pem = read(certificate)?;
        let der = CertificateDer::from_pem_slice(&pem)
            .map_err(|_| anyhow::anyhow!("{} holds no certificate", certificate.display()))?;
        let signer = Signer::new(&der, &read(key)?)
            .with_context(|| format!("{} and {} cannot sign", certificate.display(), key.display()))?;
        let name = format!("{IDENTITY}{}:{}", vcluster.namespace, vcluster.name);
        Ok(Some(signer.client(name, SystemTime::now(), CERTIFICATE_LIFE)?))
    }
}

/// What every virtual cluster does well to have: tokens of its pods where no policy sees them, and a way to Bylaw.
fn plain(url: Option<&str>) -> anyhow::Result<Value> {
    let mut values = json!({ "sync": { "toHost": { "pods": { "useSecretsForSATokens": true } } } });
    let port = match url {
        None => None,
        Some(url) => {
            let parsed = url::Url::parse(url).with_context(|| format!("--url {url}"))?;
            parsed.port_or_known_default()
        }
    };
    // Those are open to its control plane anyhow.
    if let (Some(port), Some(fields)) = (port.filter(|port| ![443, 6443, 8443].contains(port)), values.as_object_mut())
    {
        let egress = json!([{ "ports": [{ "port": port, "protocol": "TCP" }] }]);
        fields.insert("policies".to_owned(), json!({ "networkPolicy": { "controlPlane": { "egress": egress } } }));
    }
    Ok(values)
}

/// As YAML each part is a document; what it is for stands above it.
fn write(format: OutputFormat, parts: &Value) -> anyhow::Result<()> {
    if format == OutputFormat::Json {
        return print(format, parts);
    }
    for (part, about) in [
        ("values", "# values of the vCluster chart"),
        ("configMap", "# for the host, beside the virtual cluster"),
        ("secret", "# for the host, beside the virtual cluster; it holds the token"),
    ] {
        if let Some(object) = parts.get(part) {
            say(&format!("{about}\n{}", yaml(object)?))?;
        }
    }
    Ok(())
}
