//! What `bylaw vcluster values --tamper-proof` prints, given to a real API server: its own admins neither see nor change it.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::api::{Reply, eventually};
use crate::install::printed;
use crate::objects::config_map;
use crate::policies::policy;
use crate::server::Server;
use crate::server::lifeline::ScratchFolder;
use crate::world::World;

const REGISTRATIONS: &str = "/apis/admissionregistration.k8s.io/v1";

const INVENTORY: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: vc-one, name: vc-dev, labels: {app: vcluster, release: dev, chart: vcluster-0.36.0}}
";

/// Policies, an inventory, an authority of callers.
fn prepared() -> ScratchFolder {
    let folder = std::env::temp_dir().join(format!("bylaw-tamper-proof-{}", std::process::id()));
    let folder = ScratchFolder::create(folder).unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("policies")).unwrap();
    let file = policy(
        "inside",
        r#"match: { resources: ["configmaps"], operations: ["CREATE"], vantage: "virtual" },
           validate({ object, tenant, deny }) { if (object.data?.bad) deny(`not in ${tenant.name}`); },"#,
    );
    fs::write(at("policies").join(&file.name), &file.text).unwrap();
    fs::write(at("inventory.yaml"), INVENTORY).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(at("clients.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(at("clients.key"), key.serialize_pem()).unwrap();
    folder
}

/// Puts each file where its volume would be; with the arguments of the API server.
fn mounted(folder: &ScratchFolder, told: &Value) -> Vec<String> {
    let root = folder.path().join("etc").display().to_string();
    let here = |text: &str| text.replace("/etc/bylaw", &root);
    let set = &told["values"]["controlPlane"]["statefulSet"]["persistence"];
    let volumes = set["addVolumes"].as_array().unwrap().iter().zip(set["addVolumeMounts"].as_array().unwrap());
    for (volume, mount) in volumes {
        assert_eq!(volume["name"], mount["name"]);
        let (of, files) = if volume["secret"].is_null() { ("configMap", "data") } else { ("secret", "stringData") };
        let item = volume[of]["items"][0]["key"].as_str().unwrap();
        let path = here(mount["mountPath"].as_str().unwrap());
        fs::create_dir_all(&path).unwrap();
        fs::write(format!("{path}/{item}"), here(told[of][files][item].as_str().unwrap())).unwrap();
    }
    let arguments = told["values"]["controlPlane"]["distro"]["k8s"]["apiServer"]["extraArgs"].as_array().unwrap();
    arguments.iter().map(|argument| here(argument.as_str().unwrap())).collect()
}

#[test]
fn an_api_server_with_these_files_asks_whatever_its_admins_do() {
    let folder = prepared();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (policies, inventory, state) = (at("policies"), at("inventory.yaml"), at("state"));
    let (authority, key) = (at("clients.crt"), at("clients.key"));
    if World::shared().is_none() {
        return;
    }
    let server =
        Server::start(&["-p", &policies, "--inventory", &inventory, "--state-dir", &state, "--client-ca", &authority]);
    let ca = server.authority().unwrap().display().to_string();
    let told = printed(&[
        "vcluster",
        "values",
        "vc-one/dev",
        "--tamper-proof",
        "-p",
        &policies,
        "--inventory",
        &inventory,
        "--state-dir",
        &state,
        "--url",
        server.url(),
        "--ca",
        &ca,
        "--client-ca",
        &authority,
        "--client-ca-key",
        &key,
        "-o",
        "json",
    ]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let Some(inside) = World::start_with(&mounted(&folder, &told)) else { return };

    let bad = config_map("asked", json!({"bad": "yes"}));
    let ask = || inside.api.post("/api/v1/namespaces/default/configmaps?dryRun=All", &bad);
    let refused = |reply: &Reply| reply.message().contains("not in dev");
    eventually("it asks", ask, refused);

    for plural in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies"] {
        let all = inside.api.get(&format!("{REGISTRATIONS}/{plural}")).object();
        assert!(!all.to_string().contains("static.k8s.io"), "{all}");
    }
    let name = "bylaw-host.webhooks.static.k8s.io";
    assert_eq!(inside.api.delete(&format!("{REGISTRATIONS}/validatingwebhookconfigurations/{name}")).status, 404);
    assert!(refused(&ask()));

    // What is registered beside it through the API is protected by the files too.
    let beside = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "bylaw-host"}, "webhooks": [],
    });
    inside.api.post(&format!("{REGISTRATIONS}/validatingwebhookconfigurations"), &beside).object();
    let deleted = inside.api.delete(&format!("{REGISTRATIONS}/validatingwebhookconfigurations/bylaw-host"));
    assert!(deleted.refusal().contains("the platform keeps this configuration"));
}
