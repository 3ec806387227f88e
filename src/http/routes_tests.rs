use super::*;

fn head(method: Method, path: &str, content_type: Option<&'static str>) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    request.body(()).unwrap().into_parts().0
}

fn outcome(method: Method, path: &str, content_type: Option<&'static str>) -> Result<Endpoint, u16> {
    outcome_as(None, &head(method, path, content_type))
}

fn outcome_as(certificate: Option<&str>, head: &Parts) -> Result<Endpoint, u16> {
    let certificate = certificate.map(Arc::from);
    admissible(head, certificate.as_ref(), &Known).map_err(|refusal| refusal.status.as_u16())
}

/// Who knows one policy and one token, and no other certificate with it than that of its virtual cluster.
struct Known;

impl Admit for Known {
    fn admit(&self, _: Endpoint, _: Bytes, _: Option<Duration>) -> super::super::Answering<'_> {
        Box::pin(async { Answer::error(StatusCode::OK, "") })
    }

    fn knows_policy(&self, name: &str) -> bool {
        name == "known.example.com"
    }

    fn knows_vcluster(&self, token: &str, certificate: Option<&str>) -> bool {
        token == "s3cret" && certificate.is_none_or(|name| name == "bylaw:vcluster:a:dev")
    }
}

fn vcluster(webhook: Option<&str>, mutate: bool, certificate: Option<&str>) -> Endpoint {
    let (token, webhook) = ("s3cret".to_owned(), webhook.map(str::to_owned));
    Endpoint::VirtualCluster { token, webhook, mutate, certificate: certificate.map(Arc::from) }
}

#[test]
fn every_path_of_the_contract_has_its_endpoint() {
    let json = Some("application/json");
    for (path, endpoint) in [
        ("/validate?timeout=10s", Endpoint::Validate),
        ("/mutate", Endpoint::Mutate),
        ("/validate/fail-exact", Endpoint::Webhook { name: "fail-exact".to_owned(), mutate: false }),
        ("/mutate/fail-exact?timeout=10s", Endpoint::Webhook { name: "fail-exact".to_owned(), mutate: true }),
        ("/crds", Endpoint::Crds),
        ("/policy/known.example.com", Endpoint::Policy("known.example.com".to_owned())),
        ("/vcluster/s3cret/validate?timeout=10s", vcluster(None, false, None)),
        ("/vcluster/s3cret/mutate", vcluster(None, true, None)),
        ("/vcluster/s3cret/mutate/fail-exact", vcluster(Some("fail-exact"), true, None)),
    ] {
        assert_eq!(outcome(Method::POST, path, json), Ok(endpoint), "{path}");
    }
}

#[test]
fn unknown_paths_and_policies_are_404() {
    for path in [
        "/",
        "/validate/",
        "/validate/a/b",
        "/Validate",
        "/policy/",
        "/policy/unknown",
        "/policy/known.example.com/",
        "/policy/a/b",
        "/vcluster//validate",
        "/vcluster/s3cret",
        "/vcluster/s3cret/policy",
        "/vcluster/s3cret/validate/",
        "/vcluster/s3cret/validate/a/b",
        "/metrics",
    ] {
        assert_eq!(outcome(Method::POST, path, Some("application/json")), Err(404), "{path}");
    }
}

#[test]
fn only_post_is_taken() {
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS] {
        assert_eq!(outcome(method, "/validate", None), Err(405));
    }
    let refused = respond(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "no"), false);
    assert_eq!(refused.headers()[ALLOW], "POST");
}

#[test]
fn json_may_have_parameters_and_nothing_else_is_json() {
    for accepted in
        ["application/json", "application/json; charset=utf-8", "Application/JSON;v=1", " application/json "]
    {
        assert!(outcome(Method::POST, "/validate", Some(accepted)).is_ok(), "{accepted}");
    }
    for refused in [None, Some("text/plain"), Some("application/jsonx"), Some("application/vnd.kubernetes.protobuf")] {
        assert_eq!(outcome(Method::POST, "/validate", refused), Err(415), "{refused:?}");
    }
    let mut zipped = head(Method::POST, "/validate", Some("application/json"));
    zipped.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(outcome_as(None, &zipped), Err(415));
}

#[test]
fn a_token_is_never_shown() {
    let endpoint = vcluster(None, true, None);
    assert_eq!(format!("{endpoint:?}"), "VirtualCluster { mutate: true, .. }");
}

#[test]
fn a_token_that_is_none_is_refused_as_is_the_certificate_of_another() {
    let json = Some("application/json");
    assert_eq!(outcome(Method::POST, "/vcluster/guess/validate", json), Err(403));
    let head = |path| head(Method::POST, path, json);
    let (own, other) = ("bylaw:vcluster:a:dev", "bylaw:vcluster:b:dev");
    let path = "/vcluster/s3cret/validate";
    assert_eq!(outcome_as(Some(own), &head(path)), Ok(vcluster(None, false, Some(own))));
    assert_eq!(outcome_as(Some(other), &head(path)), Err(403));
}

#[test]
fn the_certificate_of_a_virtual_cluster_leads_nowhere_else() {
    for path in ["/validate", "/mutate/fail-exact", "/policy/known.example.com", "/crds"] {
        let head = head(Method::POST, path, Some("application/json"));
        assert_eq!(outcome_as(Some("bylaw:vcluster:a:dev"), &head), Err(403), "{path}");
        assert!(outcome_as(Some("kube-apiserver"), &head).is_ok(), "{path}");
    }
}
