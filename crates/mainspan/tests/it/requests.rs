//! Requests that are wrong: each is answered with what is wrong about it, and none counts against the version.

use crate::world::{PROJECT, World};
use testkit::http::ask;

#[test]
fn what_is_wrong_is_said() {
    let world = World::applied(PROJECT);
    world.ship(1.0);
    world.answers("/delay", 1);
    let address = world.product.data().unwrap();
    let check = |path: &str, body: &[u8], status: u16, says: &str| {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = ask(address, "POST", path, &[], body).unwrap();
        assert_eq!(answer.status, status, "{path} {shown}: {}", answer.body);
        assert!(
            answer.body.contains(says),
            "{path} {shown}: no `{says}` in {}",
            answer.body
        );
    };
    check("/delay", br#"{"dep_delay": 1.0}"#, 200, "prediction");
    check(
        "/delay",
        br#"[{"dep_delay": 1.0}, {"dep_delay": 2.0}]"#,
        200,
        "predictions",
    );
    check("/delay", b"{}", 400, "dep_delay");
    check("/delay", br#"{"dep_delay": "late"}"#, 400, "dep_delay");
    check("/delay", br#"{"dep_delay": [1.0, 2.0]}"#, 400, "dep_delay");
    check("/delay", br#"{"dep_delay": NaN}"#, 400, "");
    check("/delay", br#"{"dep_delay": 1.0"#, 400, "");
    check("/delay", b"\xff\xfe", 400, "");
    check("/delay", b"", 400, "");
    let infer = "/v2/models/delay/infer";
    let tensor = |shape: &str, datatype: &str, data: &str| {
        format!(
            r#"{{"inputs":[{{"name":"dep_delay","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#
        )
    };
    check(
        infer,
        tensor("[1,1]", "FP32", "[1.0]").as_bytes(),
        200,
        "outputs",
    );
    check(
        infer,
        tensor("[1,2]", "FP32", "[1.0,2.0]").as_bytes(),
        400,
        "dep_delay",
    );
    check(
        infer,
        tensor("[2,1]", "FP32", "[1.0]").as_bytes(),
        400,
        "dep_delay",
    );
    check(
        infer,
        tensor("[1,1]", "INT64", "[1]").as_bytes(),
        400,
        "dep_delay",
    );
    check(infer, tensor("[-1,1]", "FP32", "[1.0]").as_bytes(), 400, "");
    check(infer, br#"{"inputs":[]}"#, 400, "dep_delay");
    check("/nothing", b"{}", 404, "");
    for path in ["/delay", infer] {
        check(path, &vec![b' '; 100_000_000], 413, "");
    }
    // The version is not to blame, and still answers.
    world.answers("/delay", 1);
    let token = world.product.token();
    let headers = [format!("authorization: Bearer {token}")];
    let (control, large) = (world.product.control().unwrap(), vec![b' '; 100_000_000]);
    for path in [
        "/api/v1/projects/tiny/plan",
        "/api/v1/projects/tiny/runs/start",
        "/p/tiny/api/2.0/mlflow/runs/create",
        "/p/tiny/api/2.0/mlflow/runs/log-batch",
    ] {
        let answer = ask(control, "POST", path, &headers, &large).unwrap();
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
    }
}
