//! Requests in one run of the model: each client gets its own answers, whoever else is in the run, wrong
//! or gone.

use std::time::Duration;

use engine::{Batching, EngineOptions};
use inference::frame::{Reply, Request, Wire};

use crate::onnx;
use crate::replica::{Replica, in_time, threads};

/// Gathers whatever comes within a time that no test waits for in vain: a full batch ends it.
fn batching(most: usize, wait: Duration) -> impl FnOnce(&mut EngineOptions) {
    move |options| {
        let most = threads(most);
        options.batching = Some(Batching { most, wait });
    }
}

fn rows(body: String) -> Request {
    Request::Infer(Wire::Rows, body.into())
}

#[tokio::test]
async fn each_gets_its_own_answer_out_of_a_full_batch() {
    // The time is never waited for: every batch is full.
    let long = Duration::from_secs(3600);
    let replica = Replica::start(&onnx::columns(), batching(16, long)).await;
    let clients = (0..4).map(async |client: u64| {
        let mut connection = replica.connect().await;
        for round in 0..10_u64 {
            let a = |at: u64| client * 1000 + round * 10 + at;
            let requests: Vec<_> = (0..4)
                .map(|at| rows(format!("{{\"a\":{},\"b\":{at}}}", a(at))))
                .collect();
            let ids = connection.send(&requests).await;
            for _ in &ids {
                let (id, reply) = connection.receive().await.unwrap();
                let at = id - ids[0];
                let Reply::Answer(answer) = reply else {
                    panic!("no answer")
                };
                // The model adds ten times the second column.
                let expect = (a(at) + 10 * at) as f64;
                assert_eq!((answer.status, answer.predictions), (200, vec![expect]));
            }
        }
    });
    in_time(futures(clients)).await;
}

/// All of them at once.
async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_is_wrong_fails_alone() {
    let long = Duration::from_secs(3600);
    let replica = Replica::start(&onnx::gather(), batching(4, long)).await;
    let mut client = replica.connect().await;
    // No such place in the table, no such input, and two that are right, of other lengths.
    let requests = [
        rows(r#"{"i":99}"#.into()),
        rows(r#"{"x":1}"#.into()),
        rows(r#"[{"i":0},{"i":1}]"#.into()),
        rows(r#"{"i":0}"#.into()),
    ];
    let ids = client.send(&requests).await;
    let mut statuses = vec![0; 4];
    let mut predictions = vec![Vec::new(); 4];
    for _ in 0..4 {
        let (id, reply) = client.receive().await.unwrap();
        let Reply::Answer(answer) = reply else {
            panic!("no answer")
        };
        let at = usize::try_from(id - ids[0]).unwrap();
        statuses[at] = answer.status;
        predictions[at] = answer.predictions;
    }
    assert_eq!(statuses, [500, 400, 200, 200]);
    assert_eq!(predictions[3], [0.5]);
    assert_eq!(predictions[2].len(), 2);
}

#[tokio::test]
async fn one_that_is_given_up_is_not_computed_and_holds_up_nobody() {
    let long = Duration::from_secs(3600);
    let replica = Replica::start(&onnx::columns(), batching(2, long)).await;
    let mut client = replica.connect().await;
    // The first waits for company, and is given up before it comes: it takes no place in the batch.
    let first = client.send(&[rows(r#"{"a":1,"b":1}"#.into())]).await[0];
    client.send_as(first, &Request::Cancel).await;
    let mut other = replica.connect().await;
    let requests = [2, 3].map(|a| rows(format!("{{\"a\":{a},\"b\":0}}")));
    let ids = other.send(&requests).await;
    let mut got = Vec::new();
    for _ in &ids {
        let (_, reply) = other.receive().await.unwrap();
        let Reply::Answer(answer) = reply else {
            panic!("no answer")
        };
        got.extend(answer.predictions);
    }
    got.sort_by(f64::total_cmp);
    assert_eq!(got, [2.0, 3.0]);
    assert_eq!(client.ask(Request::Ping).await, Reply::Pong);
}
