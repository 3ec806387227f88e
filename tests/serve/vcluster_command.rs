//! `bylaw vcluster`: what it shows of virtual clusters, and what it prints for them.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use super::command::{Ended, bylaw};
use super::folder::Folder;
use super::reviews::create;
use super::vcluster_route::{folder, serve, token, vcluster};

#[test]
fn a_list_shows_what_is_known_of_each() {
    let folder = folder();
    insta::assert_snapshot!("vcluster-list", vcluster(&folder, &["list"]).out);
    let told: Value = serde_json::from_str(&vcluster(&folder, &["list", "-o", "json"]).out).unwrap();
    let places: Vec<_> = told["virtualClusters"].as_array().unwrap().iter().map(|one| &one["account"]).collect();
    assert_eq!(places, ["system:serviceaccount:vc-one:vc-dev", "system:serviceaccount:vc-two:vc-dev"]);
    folder.write("inventory.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    assert_eq!(vcluster(&folder, &["list"]).out, "no virtual cluster is known\n");
}

#[test]
fn one_is_shown_whole_and_its_token_only_where_it_is_asked_for() {
    let folder = folder();
    let (shown, token) = (vcluster(&folder, &["inspect", "vc-one/dev"]), token(&folder, "vc-one/dev"));
    insta::assert_snapshot!("vcluster-inspect", shown.out);
    let with = vcluster(&folder, &["inspect", "vc-one/dev", "--token"]).out;
    assert!(with.contains(&token) && !shown.out.contains(&token), "{with}");
    let unknown = vcluster(&folder, &["inspect", "vc-one/other"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("vc-one/dev, vc-two/dev"), "{unknown:?}");
    assert_eq!(vcluster(&folder, &["inspect", "dev"]).code, Some(2));
}

#[test]
fn what_registers_one_is_printed_where_no_cluster_is_given() {
    let printed = |arguments: &[&str]| bylaw(&[&["vcluster", "register"], arguments].concat());
    let told = |ended: Ended| -> Value { serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}")) };
    let plain = told(printed(&["a/dev", "-o", "json"]));
    assert_eq!(plain["metadata"], json!({"namespace": "a", "name": "dev"}));
    assert_eq!(plain["spec"], json!({"register": "Webhook", "kubeconfigSecret": "vc-dev"}));
    let edge = [
        "a/edge",
        "--url",
        "https://edge.example.com",
        "--kubeconfig-secret",
        "admin",
        "--how",
        "static",
        "-o",
        "json",
    ];
    let edge = told(printed(&edge))["spec"].clone();
    assert_eq!(edge, json!({"register": "Static", "url": "https://edge.example.com", "kubeconfigSecret": "admin"}));
    assert!(printed(&["a/dev"]).out.contains("kind: VirtualCluster"));
    for bad in [&["dev"][..], &["a/dev", "--url", "http://edge.example.com"], &["a/dev", "--how", "perhaps"]] {
        assert_eq!(printed(bad).code, Some(2), "{bad:?}");
    }
}

/// An authority in two files.
fn authority(folder: &Folder) -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    folder.write("clients.crt", &params.self_signed(&key).unwrap().pem());
    folder.write("clients.key", &key.serialize_pem());
    ["clients.crt", "clients.key"].map(|name| folder.argument(name))
}

fn tamper_proof(folder: &Folder, place: &str, more: &[&str]) -> Value {
    let policies = folder.argument("policies");
    let arguments =
        ["values", place, "--tamper-proof", "-p", &policies, "--url", "https://bylaw.example.com", "-o", "json"];
    let ended = vcluster(folder, &[&arguments, more].concat());
    serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"))
}

#[test]
fn values_for_an_api_server_that_nobody_tampers_with() {
    let folder = folder();
    let told = tamper_proof(&folder, "vc-one/dev", &[]);
    let token = token(&folder, "vc-one/dev");
    let api_server = &told["values"]["controlPlane"]["distro"]["k8s"]["apiServer"]["extraArgs"];
    assert_eq!(
        *api_server,
        json!([
            "--feature-gates=ManifestBasedAdmissionControlConfig=true",
            "--admission-control-config-file=/etc/bylaw/config/admission.yaml",
        ])
    );
    let set = &told["values"]["controlPlane"]["statefulSet"]["persistence"];
    assert_eq!(set["addVolumes"].as_array().unwrap().len(), set["addVolumeMounts"].as_array().unwrap().len());
    assert!(!told["configMap"].to_string().contains(&token) && !told["values"].to_string().contains(&token));
    let admission: Value = serde_json::from_str(told["configMap"]["data"]["admission.yaml"].as_str().unwrap()).unwrap();
    assert_eq!(admission["kind"], "AdmissionConfiguration");
    for name in ["validating.yaml", "mutating.yaml"] {
        let webhooks: Value = serde_json::from_str(told["secret"]["stringData"][name].as_str().unwrap()).unwrap();
        assert!(webhooks["metadata"]["name"].as_str().unwrap().ends_with(".static.k8s.io"), "{webhooks}");
        for webhook in webhooks["webhooks"].as_array().unwrap() {
            let url = webhook["clientConfig"]["url"].as_str().unwrap();
            assert!(url.starts_with(&format!("https://bylaw.example.com/vcluster/{token}/")), "{url}");
            assert!(!webhook["name"].as_str().unwrap().contains("probe"), "{webhook}");
        }
    }
    let parts = vcluster(&folder, &["values", "vc-one/dev"]);
    assert!(parts.out.contains("useSecretsForSATokens: true"), "{parts:?}");
}

#[test]
fn a_certificate_of_its_own_opens_its_door_and_no_other() {
    let folder = folder();
    let [certificate, key] = authority(&folder);
    let signed = |place: &str| {
        let told = tamper_proof(&folder, place, &["--client-ca", &certificate, "--client-ca-key", &key]);
        let file = told["secret"]["stringData"]["webhooks.kubeconfig"].as_str().unwrap();
        let file: Value = serde_json::from_str(file).unwrap();
        assert_eq!(file["users"][0]["name"], "*");
        ["client-certificate-data", "client-key-data"].map(|field| {
            let text = file["users"][0]["user"][field].as_str().unwrap();
            let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
            String::from_utf8(bytes).unwrap()
        })
    };
    let (one, two) = (signed("vc-one/dev"), signed("vc-two/dev"));
    let server = serve(&folder, &["--client-ca", &certificate]);
    let door = format!("/vcluster/{}/validate", token(&folder, "vc-one/dev"));
    let pod = create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "team-a"}}));
    let ask = |identity: &[String; 2], path: &str| -> (u16, String) {
        let identity = reqwest::Identity::from_pem(identity.concat().as_bytes()).unwrap();
        let authority = fs::read(server.authority().unwrap()).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([authority]).identity(identity).build().unwrap();
        let request = client.post(format!("{}{path}", server.url())).header("content-type", "application/json");
        super::client::run(async {
            let answer = request.body(pod.to_string()).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
    };
    let (status, answer) = ask(&one, &door);
    assert!(status == 200 && answer.contains("[told.inside.example]"), "{answer}");
    assert_eq!(ask(&two, &door).0, 403, "the certificate of another");
    assert_eq!(ask(&one, "/validate").0, 403, "nor is it an API server of the host");
}
