//! Attempts at receivers on loopback, with resolvers that lie.

use super::*;
use axum::{
    Router,
    body::Bytes,
    response::{IntoResponse as _, Redirect},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use std::{
    future::ready,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Mutex,
};

/// A resolver that answers each question with the next of its answers, and the last one for ever.
struct Script(Mutex<Vec<&'static str>>);

impl Script {
    fn new(answers: &[&'static str]) -> Arc<Self> {
        Arc::new(Script(Mutex::new(answers.iter().rev().copied().collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Lookup for Script {
    fn lookup(
        &self,
        _: &str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.pop().unwrap()
        } else {
            answers[0]
        };
        let found = answer.split_whitespace().map(|text| text.parse().unwrap());
        Box::pin(ready(Ok(found.collect())))
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver at `/`, one that sends on to `to` at `/on`, and one that is busy at `/busy`.
async fn receiver(to: Option<SocketAddr>) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    let take = async move |headers: HeaderMap, body: Bytes| {
        kept.lock().unwrap().push((headers, body));
        "thanks"
    };
    let on = format!("http://{}/", to.unwrap_or(([127, 0, 0, 1], 9).into()));
    let routes = Router::new()
        .route("/", post(take))
        .route("/on", post(async move || Redirect::temporary(&on)))
        .route(
            "/busy",
            post(async || {
                (
                    StatusCode::TOO_MANY_REQUESTS,
                    [("Retry-After", "7")],
                    "later",
                )
                    .into_response()
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let service = hyper_util::service::TowerToHyperService::new(routes);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service.clone());
            tokio::spawn(served);
        }
    });
    (address, seen)
}

fn sender(allowed: &[&str], lookup: Arc<dyn Lookup>) -> Sender {
    let allowed = allowed.iter().map(|text| text.parse().unwrap());
    Sender::new(Egress::new(allowed.collect()), lookup)
}

fn letter() -> Letter<'static> {
    Letter {
        id: "d-1",
        body: "{\"entity\":\"prompt\"}",
        secret: Some("s3cret"),
        at: Timestamp::from_second(1_767_225_600).unwrap(),
    }
}

#[tokio::test]
async fn what_arrives_is_signed() {
    let (address, seen) = receiver(None).await;
    let sender = sender(&["127.0.0.1"], Script::new(&["127.0.0.1"]));
    let got = sender.send(&format!("http://{address}/"), &letter()).await;
    let Outcome::Answered {
        status: 200,
        body,
        retry_after: None,
    } = &got
    else {
        panic!("{got:?}");
    };
    assert_eq!(body, "thanks");
    let (headers, body) = seen.lock().unwrap().pop().unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(body, letter().body);
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-mlflow-delivery-id"), "d-1");
    assert_eq!(header("x-mlflow-timestamp"), "1767225600");
    let expect = signature::webhook("s3cret", "d-1", 1_767_225_600, letter().body);
    assert_eq!(header("x-mlflow-signature"), expect);
    let unsigned = Letter {
        secret: None,
        ..letter()
    };
    sender.send(&format!("http://{address}/"), &unsigned).await;
    let (headers, _) = seen.lock().unwrap().pop().unwrap();
    assert!(!headers.contains_key("x-mlflow-signature"));
}

#[tokio::test]
async fn nothing_inside_is_reached() {
    let (address, seen) = receiver(None).await;
    let port = address.port();
    let check = async |url: &str, answers: &[&'static str]| {
        let sender = sender(&[], Script::new(answers));
        assert!(sender.check(url).await.is_err(), "{url}");
        let got = sender.send(url, &letter()).await;
        assert!(matches!(got, Outcome::Refused(_)), "{url}: {got:?}");
    };
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://127.1:{port}/"),
        format!("https://0x7f000001:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[::1]:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "ftp://1.1.1.1/".to_owned(),
    ] {
        check(&url, &["1.1.1.1"]).await;
    }
    let named = format!("https://inside.example:{port}/");
    check(&named, &["127.0.0.1"]).await;
    check(&named, &["1.1.1.1 127.0.0.1"]).await;
    check(&named, &["64:ff9b::7f00:1"]).await;
    check("http://inside.example/", &["1.1.1.1"]).await;
    assert!(seen.lock().unwrap().is_empty());
}

/// A name that leads outside while it is looked at, and inside when it is spoken to.
#[tokio::test]
async fn a_name_that_changes_its_address_is_not_followed() {
    let (address, seen) = receiver(None).await;
    let url = format!("https://rebind.example:{}/", address.port());
    let lookup = Script::new(&["1.1.1.1", "127.0.0.1"]);
    let outside = sender(&[], lookup);
    assert_eq!(outside.check(&url).await, Ok(()));
    let got = outside.send(&url, &letter()).await;
    assert!(matches!(got, Outcome::Refused(_)), "{got:?}");
    assert!(seen.lock().unwrap().is_empty());

    // What was checked is what is connected to: a second question would get another answer.
    let lookup = Script::new(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let inside = sender(&["127.0.0.1"], Arc::clone(&lookup) as Arc<dyn Lookup>);
    let url = format!("http://rebind.example:{}/", address.port());
    let got = inside.send(&url, &letter()).await;
    assert!(
        matches!(got, Outcome::Answered { status: 200, .. }),
        "{got:?}"
    );
    assert_eq!((lookup.left(), seen.lock().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inner, seen) = receiver(None).await;
    let (outer, _) = receiver(Some(inner)).await;
    let sender = sender(&["127.0.0.1"], Script::new(&["127.0.0.1"]));
    let got = sender.send(&format!("http://{outer}/on"), &letter()).await;
    assert!(
        matches!(got, Outcome::Answered { status: 307, .. }),
        "{got:?}"
    );
    assert_eq!(
        crate::webhooks::next(&got, 0),
        crate::webhooks::Next::GiveUp
    );
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn receivers_that_are_busy_or_gone() {
    let (address, _) = receiver(None).await;
    let sender = sender(&["hooks.internal"], Script::new(&["127.0.0.1"]));
    let url = format!("http://hooks.internal:{}/busy", address.port());
    let got = sender.send(&url, &letter()).await;
    let expect = Outcome::Answered {
        status: 429,
        body: "later".to_owned(),
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(got, expect);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let secret = format!("http://hooks.internal:{port}/services/T000/secret");
    match sender.send(&secret, &letter()).await {
        Outcome::Failed(said) => assert!(!said.contains("secret"), "{said}"),
        other => panic!("{other:?}"),
    }
}
