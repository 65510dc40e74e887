//! Pushing routing tables.

use gateway::{AdminClient, ClientError, GatewayError, RoutingTable};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, plus_one};
use crate::world::{World, arm, delay};

#[tokio::test]
async fn a_table_outlives_the_gateway_and_the_server() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    let routes = vec![delay(vec![arm(3, 1.0, &[&socket])])];
    world.route(7, routes.clone(), &[&socket]).await;
    let kept: RoutingTable =
        serde_json::from_slice(&std::fs::read(world.state().join("routes.json")).unwrap()).unwrap();
    let table = RoutingTable {
        generation: 7,
        routes,
    };
    assert_eq!(kept, table);
    world.stop().await;
    assert!(!world.state().join("gateway.sock").exists());
    world.resume(|_| {}).await;
    assert_eq!(world.post("/delay", r#"{"x":1}"#).await.version, Some(3));
    let shown: RoutingTable =
        serde_json::from_value(world.admin("GET", "/routes", "").await.body).unwrap();
    assert_eq!(shown, table);
    let card = std::fs::read(world.state().join("gateway.json")).unwrap();
    let card: serde_json::Value = serde_json::from_slice(&card).unwrap();
    assert_eq!(card["address"], json!(world.address.to_string()));
}

#[tokio::test]
async fn tables_are_checked_and_never_go_back() {
    let world = World::start().await;
    let table = |generation: u64, version: u32| {
        let routes = vec![delay(vec![arm(version, 1.0, &[])])];
        serde_json::to_string(&RoutingTable { generation, routes }).unwrap()
    };
    let check = async |body: String, status: u16, expect: &str| {
        let got = world.admin("PUT", "/routes", body.clone()).await;
        assert_eq!(got.status, status, "{body}: {got:?}");
        assert!(
            got.body.to_string().contains(expect),
            "{got:?} lacks {expect}"
        );
    };
    check(table(5, 1), 200, "5").await;
    check(table(5, 1), 200, "5").await;
    check(table(5, 2), 409, "generation 5 is not newer than 5").await;
    check(table(4, 1), 409, "generation 4 is not newer than 5").await;
    check("{".into(), 400, "not a routing table").await;
    check(
        r#"{"generation":9,"routes":[],"x":1}"#.into(),
        400,
        "unknown field `x`",
    )
    .await;
    check(table(9, 1).replace("1.0", "0.5"), 400, "add up to 0.5").await;
    check(
        table(9, 1).replace("\"delay\",\"root\"", "\"../x\",\"root\""),
        400,
        "cannot be part",
    )
    .await;
    check(
        table(9, 1).replace("\"request_id\",\"join\"", "\"header:a b\",\"join\""),
        400,
        "header",
    )
    .await;
    // Nothing of what was refused is served.
    let shown: RoutingTable =
        serde_json::from_value(world.admin("GET", "/routes", "").await.body).unwrap();
    assert_eq!((shown.generation, shown.routes[0].arms[0].version), (5, 1));
    check(table(6, 2), 200, "6").await;
    assert_eq!(world.admin("POST", "/routes", "").await.status, 404);
    assert_eq!(world.admin("GET", "/../routes", "").await.status, 404);
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_not_guessed() {
    let mut world = World::start().await;
    world.stop().await;
    let path = world.state().join("routes.json");
    for (text, expect) in [
        ("{\"generation\":", "is not a routing table"),
        (
            r#"{"generation":1,"routes":[{"project":"P","environment":"e","service":"s","arms":[]}]}"#,
            "cannot be served",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = gateway::run(world.options(), CancellationToken::new())
            .await
            .unwrap_err();
        let shape = matches!(
            error,
            GatewayError::Json { .. } | GatewayError::Table { .. }
        );
        assert!(shape && error.to_string().contains(expect), "{error}");
    }
}

#[tokio::test]
async fn the_client_of_the_admin_socket() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    let client = AdminClient::new(world.state().join("gateway.sock"));
    let mut table = RoutingTable {
        generation: 4,
        routes: vec![delay(vec![arm(3, 1.0, &[&socket])])],
    };
    client.push(&table).await.unwrap();
    assert_eq!(client.table().await.unwrap(), table);
    assert_eq!(world.post("/delay", "{}").await.status, 200);
    let health = client.health().await.unwrap();
    assert_eq!((health.generation, health.threads), (4, 2));
    assert_eq!(health.replicas[0].path, socket);
    let evidence = client.evidence().await.unwrap();
    assert_eq!(evidence.routes[0].versions[0].requests, 1);
    table.generation = 3;
    let refused = client.push(&table).await.unwrap_err();
    let stale = matches!(refused, ClientError::Refused { status: 409, .. });
    assert!(
        stale && refused.to_string().contains("not newer than 4"),
        "{refused}"
    );
    world.stop().await;
    let away = client.health().await.unwrap_err();
    assert!(matches!(away, ClientError::Away { .. }), "{away}");
}
