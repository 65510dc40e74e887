//! What a copy from another server may bring: evaluation datasets, scorers and webhooks, and what becomes of them.

use super::asking::{Asking, BASE};
use serde_json::{Value, json};
use testkit::Server;

/// Sends records into a project; what became of each, and why.
fn take(asking: &Asking<'_>, project: &str, items: &Value) -> Vec<(String, String)> {
    let path = format!("/api/v1/projects/{project}/import");
    let answer = asking.done("POST", &path, &json!({ "items": items }));
    let outcomes = answer["outcomes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    outcomes
        .map(|one| (text(&one["state"]), text(&one["why"])))
        .collect()
}

fn states(asking: &Asking<'_>, project: &str, items: &Value) -> Vec<String> {
    let outcomes = take(asking, project, items).into_iter();
    outcomes.map(|(state, _)| state).collect()
}

/// Refused, or not written, with these words.
fn said(asking: &Asking<'_>, project: &str, item: &Value, state: &str, words: &str) {
    let outcomes = take(asking, project, &json!([item]));
    let [(found, why)] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert!(
        found == state && why.contains(words),
        "{item}: {found} {why}"
    );
}

fn dataset(experiment: &str) -> Value {
    json!({ "evaluation_dataset": {
        "dataset_id": "d-1", "name": "it's \"faq\"", "tags": "{\"team\": \"air\"}", "digest": "abc",
        "schema": "{\"inputs\": {\"q\": \"string\"}}", "profile": "{\"num_records\": 1}",
        "created_time": 5, "last_update_time": 6, "created_by": "ann", "experiment_ids": [experiment],
    } })
}

fn record(id: &str, answer: i64) -> Value {
    json!({ "evaluation_record": {
        "dataset_id": "d-1", "dataset_record_id": id, "inputs": { "q": "?" }, "expectations": { "a": answer },
        "tags": {}, "created_time": 7, "last_update_time": 8,
    } })
}

fn scorer(experiment: &str, version: u32, serialized: &str) -> Value {
    json!({ "scorer": {
        "experiment_id": experiment.parse::<i64>().unwrap(), "scorer_name": "kind", "scorer_version": version,
        "serialized_scorer": serialized, "creation_time": 9, "scorer_id": "s-1",
    } })
}

fn webhook(name: &str, entity: &str) -> Value {
    json!({ "webhook": {
        "webhook_id": "w-1", "name": name, "url": "https://127.0.0.1/never", "status": "ACTIVE",
        "events": [{ "entity": entity, "action": "CREATED" }],
        "creation_timestamp": 1, "last_updated_timestamp": 2,
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_brings_is_written_once() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (home, _) = asking.run("home");
    let all = json!([
        dataset(&home),
        record("dr-1", 1),
        scorer(&home, 4, r#"{"name": "kind", "of": "ü"}"#),
        webhook("hook", "REGISTERED_MODEL"),
    ]);
    assert_eq!(states(&asking, "flights", &all), ["copied"; 4]);
    assert_eq!(states(&asking, "flights", &all), ["same"; 4]);
    // The same in other letters is the same; what changed there comes, since nobody changed it here.
    let escaped = scorer(&home, 4, r#"{"name":"kind","of":"\u00fc"}"#);
    let later = json!([escaped, record("dr-1", 2), webhook("renamed", "PROMPT")]);
    let expect = ["same", "updated", "updated"];
    assert_eq!(states(&asking, "flights", &later), expect);

    let base = BASE.replace("2.0", "3.0");
    let shown = asking.done("GET", &format!("{base}/datasets/d-1"), &Value::Null);
    let shown = &shown["dataset"];
    assert_eq!(
        (&shown["name"], &shown["digest"], &shown["created_time"]),
        (&json!("it's \"faq\""), &json!("abc"), &json!(5))
    );
    let homes = format!("{base}/datasets/d-1/experiment-ids");
    let homes = asking.done("GET", &homes, &Value::Null);
    assert_eq!(homes["experiment_ids"], json!([home]));
    let versions = format!("{base}/scorers/versions?experiment_id={home}&name=kind");
    let versions = asking.done("GET", &versions, &Value::Null);
    assert_eq!(versions["scorers"][0]["scorer_version"], 4);

    // It came disabled. Who enables it here keeps it so.
    let at = format!("{BASE}/webhooks/w-1");
    let status = || asking.done("GET", &at, &Value::Null)["webhook"]["status"].take();
    assert_eq!(status(), "DISABLED");
    asking.done("PATCH", &at, &json!({ "status": "ACTIVE", "secret": "s" }));
    let again = json!([webhook("renamed", "PROMPT"), webhook("third", "PROMPT")]);
    assert_eq!(states(&asking, "flights", &again), ["same", "updated"]);
    assert_eq!(status(), "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_named_and_ends_nothing() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (home, _) = asking.run("home");
    let first = json!([
        record("dr-1", 1),
        dataset(&home),
        record("dr-1", 1),
        record("dr-2", 1),
        scorer(&home, 1, "{}"),
        webhook("hook", "PROMPT"),
    ]);
    let expect = [
        "failed",
        "copied",
        "copied",
        "different",
        "copied",
        "copied",
    ];
    assert_eq!(states(&asking, "flights", &first), expect);
    let check =
        |item: Value, state: &str, words: &str| said(&asking, "flights", &item, state, words);
    let code = r#"{"call_source": "print()"}"#;
    check(scorer(&home, 2, code), "left_out", "");
    check(scorer(&home, 0, "{}"), "failed", "a version");
    check(scorer("999999", 2, "{}"), "failed", "999999");
    check(dataset("999999"), "failed", "999999");
    check(webhook("a b", "PROMPT"), "failed", "a b");
    check(webhook("hook", "NOTHING"), "failed", "entity");
    let mut strange = record("dr-3", 1);
    strange["evaluation_record"]["inputs"] = json!("text");
    check(strange, "failed", "object");
    let mut strange = dataset(&home);
    strange["evaluation_dataset"]["tags"] = json!("no JSON");
    check(strange, "failed", "tags");

    // What another project has is not taken from it, nor shown.
    let made = json!({ "name": "elsewhere" });
    let create = BASE.replace("flights", "other") + "/experiments/create";
    let made = asking.done("POST", &create, &made);
    let elsewhere = made["experiment_id"].as_str().unwrap();
    let other = |item: Value, state: &str, words: &str| said(&asking, "other", &item, state, words);
    other(dataset(elsewhere), "failed", "another project");
    other(record("dr-1", 1), "failed", "not found");
    other(scorer(elsewhere, 1, "{}"), "failed", "another experiment");
    other(scorer(&home, 1, "{}"), "failed", &home);
    other(webhook("hook", "PROMPT"), "failed", "another project");
}
