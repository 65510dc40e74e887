//! Checks that a routing table that cannot be served is refused with its reason.

use super::*;

fn arm(version: u32, weight: f64) -> Arm {
    Arm {
        version,
        model: "delay".into(),
        weight,
        replicas: vec!["/tmp/a.sock".into()],
    }
}

fn route(address: &str, arms: Vec<Arm>) -> Route {
    let mut parts = address.split('/').map(str::to_owned);
    let mut next = || parts.next().unwrap();
    Route {
        project: next(),
        environment: next(),
        service: next(),
        arms,
        ..Route::default()
    }
}

fn rooted(address: &str) -> Route {
    Route {
        root: true,
        ..route(address, vec![arm(1, 1.0)])
    }
}

#[test]
fn a_table_is_checked_before_it_is_served() {
    let one = || vec![arm(1, 1.0)];
    let check = |routes: Vec<Route>, expect: &str| {
        let table = RoutingTable {
            generation: 1,
            routes,
        };
        let got = table.validate().map_err(|e| e.to_string());
        match got {
            Ok(()) => assert_eq!(expect, "ok"),
            Err(message) => assert!(message.contains(expect), "{message:?} lacks {expect:?}"),
        }
    };
    check(vec![], "ok");
    check(
        vec![route("a/prod/x", one()), route("b/prod/x", one())],
        "ok",
    );
    check(
        vec![route("a/prod/x", vec![arm(1, 0.7), arm(2, 0.3)])],
        "ok",
    );
    check(
        vec![route(
            "a/prod/x",
            vec![arm(1, 0.1), arm(2, 0.2), arm(3, 0.7)],
        )],
        "ok",
    );
    check(
        vec![route("A/prod/x", one())],
        "the project \"A\" cannot be part",
    );
    check(vec![route("a/v2/x", one())], "the environment \"v2\"");
    check(vec![route("a/prod/x%2e", one())], "the service \"x%2e\"");
    check(vec![route("a/prod/", one())], "the service \"\"");
    check(vec![route("a/prod/x", vec![])], "at least one arm");
    check(vec![route("a/prod/x", vec![arm(1, 0.5)])], "add up to 0.5");
    check(vec![route("a/prod/x", vec![arm(1, 1.5)])], "weight 1.5");
    check(
        vec![route("a/prod/x", vec![arm(1, f64::NAN)])],
        "weight NaN",
    );
    check(
        vec![route("a/prod/x", vec![arm(1, 0.5), arm(1, 0.5)])],
        "version 1 is in two",
    );
    check(
        vec![route("a/prod/x", one()), route("a/prod/x", one())],
        "two routes have",
    );
    check(
        vec![rooted("a/prod/x"), rooted("b/prod/x")],
        "two routes want this bare name",
    );
}

#[test]
fn copies_go_to_an_arm_that_speaks_frames() {
    let check = |version, share, speaks, expect: bool| {
        let routes = vec![Route {
            mirror: Some(Mirror { version, share }),
            speaks,
            ..route("a/prod/x", vec![arm(1, 1.0), arm(2, 0.0)])
        }];
        let table = RoutingTable {
            generation: 1,
            routes,
        };
        let got = table.validate();
        assert_eq!(got.is_ok(), expect, "{got:?}");
    };
    check(2, 1.0, Speaks::Frames, true);
    check(2, 0.01, Speaks::Frames, true);
    check(3, 0.5, Speaks::Frames, false);
    check(2, 0.0, Speaks::Frames, false);
    check(2, 1.01, Speaks::Frames, false);
    check(2, f64::NAN, Speaks::Frames, false);
    check(2, 0.5, Speaks::Http, false);
}

#[test]
fn unknown_fields_are_refused() {
    let text = r#"{"generation":1,"routes":[],"extra":1}"#;
    let error = serde_json::from_str::<RoutingTable>(text).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `extra`"),
        "{error}"
    );
    let text = r#"{"generation":1,"routes":[{"project":"p","environment":"e","service":"s",
        "arms":[{"version":1,"model":"m","weight":1.0,"replicas":[],"wieght":1}]}]}"#;
    let error = serde_json::from_str::<RoutingTable>(text).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `wieght`"),
        "{error}"
    );
}

#[test]
fn a_model_name_leads_where_it_is_unambiguous() {
    let table = |routes| {
        Index::new(RoutingTable {
            generation: 1,
            routes,
        })
        .unwrap()
    };
    let plain = |address| route(address, vec![arm(1, 1.0)]);
    let index = table(vec![
        plain("a/staging/x"),
        plain("a/prod/x"),
        plain("a/prod/y"),
    ]);
    assert_eq!(index.by_base("a/prod/x"), Some(1));
    assert_eq!(index.by_root("x"), None);
    assert_eq!(index.by_model("x"), None);
    assert_eq!(index.by_model("y"), Some(2));
    let index = table(vec![plain("a/staging/x"), rooted("a/prod/x")]);
    assert_eq!(index.by_root("x"), Some(1));
    assert_eq!(index.by_model("x"), Some(1));
}
