//! `--client-ca`: an API server that shows a certificate of that authority is answered, and one that does not is not.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::json;

use super::api::eventually;
use super::bylaw::Bylaw;
use super::cluster::Identity;
use super::objects::config_map;
use super::policies::policy;
use super::server::lifeline::ScratchFolder;
use super::world::World;

/// An authority in a file, and what it signed for API servers.
fn authority(folder: &ScratchFolder, name: &str) -> (PathBuf, Identity) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let path = folder.path().join(format!("{name}.crt"));
    fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["kube-apiserver".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    (path, Identity { certificate, key: key.serialize_pem() })
}

#[test]
fn an_api_server_is_answered_only_with_a_certificate_of_the_authority_that_is_named() {
    let folder = std::env::temp_dir().join(format!("bylaw-callers-{}", std::process::id()));
    let folder = ScratchFolder::create(folder).unwrap();
    let (known, identity) = authority(&folder, "known");
    let (unknown, _) = authority(&folder, "unknown");
    let Some(world) = World::start_as(&identity) else { return };
    let file = policy(
        "guard",
        r#"match: { resources: ["configmaps"], operations: ["CREATE"] },
           validate({ object, deny }) { if (object.data?.bad) deny("guarded"); },"#,
    );
    // The start waits until the API server has been answered by both webhooks.
    let mut bylaw = Bylaw::start(&world, &["--client-ca", &known.display().to_string()], &[file]);
    assert!(bylaw.rejects("configmaps", &config_map("x", json!({"bad": "yes"}))).contains("guarded"));
    bylaw.accepts("configmaps", &config_map("x", json!({"good": "yes"})));

    // The same API server at one that trusts somebody else.
    let url = bylaw.server().url().to_owned();
    let known_text = fs::read(&known).unwrap();
    fs::write(&known, fs::read(&unknown).unwrap()).unwrap();
    bylaw.stop();
    bylaw.serve_again(&url);
    let refused = bylaw.create("configmaps", &config_map("y", json!({"good": "yes"})));
    assert!(refused.message().contains("failed calling webhook"), "{refused:?}");
    // The file is read again when it changes.
    fs::write(&known, known_text).unwrap();
    let good = |reply: &super::api::Reply| reply.is_good();
    eventually("it is answered again", || bylaw.create("configmaps", &config_map("y", json!({"good": "yes"}))), good);
}
