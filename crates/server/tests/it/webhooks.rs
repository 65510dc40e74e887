//! Webhooks from the handler to the receiver: what arrives is signed, what was given up is in the journal, and the secret
//! is nowhere.

use guard::{egress::Egress, signature};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};
use testkit::{Server, http::ask, until};

const SECRET: &str = "not-to-be-seen-anywhere";

/// A request's header lines in small letters, and its body.
type Told = (Vec<String>, String);

/// A receiver that answers each request with the status that its path ends in.
fn receiver() -> (SocketAddr, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = channel();
    std::thread::spawn(move || serve(&listener, &told));
    (address, heard)
}

fn serve(listener: &TcpListener, told: &Sender<Told>) {
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.unwrap());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_ascii_lowercase());
        }
        let Some(first) = head.first() else { continue };
        let status = first.split([' ', '/']).nth(2).unwrap().to_owned();
        let length = value(&head, "content-length").parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let answer =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
        if told.send((head, String::from_utf8(body).unwrap())).is_err() {
            return;
        }
    }
}

fn value(head: &[String], name: &str) -> String {
    let found = head
        .iter()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_default().to_owned()
}

fn call(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let headers = [format!("authorization: Bearer {}", server.owner_token())];
    let body = body.to_string();
    let answer = ask(server.address(), method, path, &headers, body.as_bytes()).unwrap();
    assert!(answer.status < 300, "{method} {path}: {}", answer.body);
    assert!(!answer.body.contains(SECRET), "{method} {path}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_are_told_and_secrets_are_not() {
    let (address, heard) = receiver();
    let allowed = vec!["127.0.0.1".parse().unwrap()];
    let server = Server::start_with(|options| options.webhook_allow = Egress::new(allowed)).await;
    let at = "/p/flights/api/2.0/mlflow";
    let events = json!([{ "entity": "REGISTERED_MODEL", "action": "CREATED" }]);
    for status in ["200", "410"] {
        let url = format!("http://{address}/{status}");
        let body = json!({ "name": status, "url": url, "events": events, "secret": SECRET });
        call(&server, "POST", &format!("{at}/webhooks"), &body);
    }
    call(&server, "GET", &format!("{at}/webhooks"), &json!(null));
    let model = json!({ "name": "delay" });
    call(
        &server,
        "POST",
        &format!("{at}/registered-models/create"),
        &model,
    );
    let elsewhere = "/p/other/api/2.0/mlflow/registered-models/create";
    call(&server, "POST", elsewhere, &model);
    for _ in 0..2 {
        let (head, body) = heard.recv_timeout(Duration::from_secs(30)).unwrap();
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["data"]["name"], "delay", "{told}");
        let id = value(&head, "x-mlflow-delivery-id");
        let second = value(&head, "x-mlflow-timestamp").parse().unwrap();
        let expect = signature::webhook(SECRET, &id, second, &body);
        let got = value(&head, "x-mlflow-signature");
        assert_eq!(got, expect.to_ascii_lowercase());
    }
    let journal = || {
        call(
            &server,
            "GET",
            "/api/v1/projects/flights/events?limit=100",
            &json!(null),
        )
        .to_string()
    };
    until("what was given up is in the journal", || {
        journal()
            .contains("the receiver answered 410")
            .then_some(())
    });
    let status = call(&server, "GET", "/api/v1/reconcilers", &json!(null)).to_string();
    assert!(status.contains("given_up"), "{status}");
    let none = heard.recv_timeout(Duration::from_millis(1));
    assert!(none.is_err(), "another project's model was told of");
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(server.options().state_dir.join(file)).unwrap_or_default();
        let seen = bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes());
        assert!(!seen, "{file} holds the secret");
    }
}
