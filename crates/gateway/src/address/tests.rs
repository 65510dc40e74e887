//! Checks that every address of the data plane leads to one route, and that odd ones lead nowhere.

use proptest::prelude::*;

use super::*;
use crate::table::{Arm, Route, RoutingTable, Speaks};

fn route(project: &str, environment: &str, service: &str, root: bool) -> Route {
    Route {
        project: project.into(),
        environment: environment.into(),
        service: service.into(),
        root,
        arms: vec![Arm {
            version: 1,
            model: "m".into(),
            weight: 1.0,
            replicas: vec![],
        }],
        ..Route::default()
    }
}

fn index() -> Index {
    let routes = vec![
        route("flights", "prod", "delay", true),
        route("flights", "staging", "delay", false),
        route("flights", "prod", "only", false),
        route("delay", "health", "odd_1", false),
    ];
    let generation = 1;
    Index::new(RoutingTable { generation, routes }).unwrap()
}

#[test]
fn every_address_of_the_data_plane() {
    use ModelTarget::{Infer, Metadata};
    let index = index();
    let check =
        |path: &str, expect: Target| assert_eq!(resolve(&index, path), Ok(expect), "{path}");
    check("/flights/prod/delay", Target::Rows(0));
    check("/flights/staging/delay", Target::Rows(1));
    check("/delay", Target::Rows(0));
    check("/delay/labels", Target::Labels(0));
    check("/flights/staging/delay/labels", Target::Labels(1));
    check("/delay/health/odd_1", Target::Rows(3));
    check("/v2", Target::Server);
    check("/flights/prod/delay/v2", Target::Server);
    check("/v2/health/live", Target::Live);
    check("/v2/health/ready", Target::Ready(None));
    check(
        "/flights/staging/delay/v2/health/ready",
        Target::Ready(Some(1)),
    );
    check("/delay/v2/health/ready", Target::Ready(Some(0)));
    check("/v2/repository/index", Target::Repository(None));
    check("/v2/models/delay", Target::Model(0, None, Metadata));
    check("/v2/models/only/infer", Target::Model(2, None, Infer));
    check(
        "/flights/staging/delay/v2/models/delay/ready",
        Target::Model(1, None, ModelTarget::Ready),
    );
    check(
        "/delay/v2/models/delay/versions/3/infer",
        Target::Model(0, Some(3), Infer),
    );
    check(
        "/v2/models/delay/versions/3",
        Target::Model(0, Some(3), Metadata),
    );
    check("/v2/models/stats", Target::Statistics(None));
    check(
        "/v2/models/delay/stats",
        Target::Model(0, None, ModelTarget::Statistics),
    );
    check(
        "/v2/models/delay/config",
        Target::Model(0, None, ModelTarget::Config),
    );
    check("/v1/models", Target::V1Models(None));
    check("/delay/v1/models", Target::V1Models(Some(0)));
    check("/v1/models/only", Target::V1Model(2));
    check("/v1/models/delay:predict", Target::V1Predict(0));
    check(
        "/flights/staging/delay/v1/models/delay:predict",
        Target::V1Predict(1),
    );
    check("/flights/staging/delay/invocations", Target::Score(1));
    check("/delay/ping", Target::Ping(Some(0)));
    check("/ping", Target::Ping(None));
    check("/health", Target::Ping(None));
    check("/version", Target::Version);
    check("/delay/version", Target::Version);
    // One service alone is at the root.
    check("/invocations", Target::Score(0));
    check("/endpoints/only/invocations", Target::Score(2));
    check("/api/2.0/endpoints/", Target::Endpoints);
    check("/api/2.0/endpoints/delay", Target::Endpoint(0));
    // An encoded letter is that letter.
    check("/flights/prod/%64elay", Target::Rows(0));
}

#[test]
fn what_no_address_has_is_refused() {
    let index = index();
    let check = |path: &str, expect| assert_eq!(resolve(&index, path), Err(expect), "{path}");
    for path in [
        "",
        "delay",
        "*",
        "/..",
        "/.",
        "/flights/../flights/prod/delay",
        "/flights/%2e%2e/flights/prod/delay",
        "/flights/%2E%2E/prod/delay",
        "/flights/prod/delay/%2e",
        "/flights%2fprod%2fdelay",
        "/%252e%252e/delay",
        "/flights/prod/%2564elay",
        "/flights\\prod\\delay",
        "/flights/prod/delay%5c",
        "/delay%00",
        "/delay\0",
        "/delay;v=1",
        "/delay%",
        "/delay%6",
        "/delay%zz",
        "/d\u{e9}lay",
    ] {
        check(path, AddressError::Malformed);
    }
    for path in [
        "/",
        "//delay",
        "/delay/",
        "/Delay",
        "/only",
        "/flights",
        "/flights/prod",
        "/flights/prod/delay/",
        "/flights//prod/delay",
        "/flights/prod/delay/v1",
        "/c:/delay",
        "/file://delay",
        "/delay:predict",
        "/v1/models/delay:explain",
        "/v1/models/none:predict",
        "/v1/models/delay/predict",
        "/v2/models/delay:infer",
        "/flights/prod/delay/v1/models/only:predict",
        "/api/2.0/endpoints/none",
        "/endpoints/none/invocations",
        "/v2/",
        "/v2/models",
        "/v2/models/none",
        "/v2/models/delay/versions/x/infer",
        "/v2/models/delay/versions/-1",
        "/v2/models/delay/versions/99999999999",
        "/flights/prod/delay/v2/models/only/infer",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m",
    ] {
        check(path, AddressError::NotFound);
    }
}

/// The same, with replicas of `delay` and `only` that are servers of their own.
fn relaying() -> Index {
    let mut table = index().table;
    for route in &mut table.routes {
        if route.service != "odd_1" {
            route.speaks = Speaks::Http;
        }
    }
    Index::new(table).unwrap()
}

#[test]
fn servers_of_their_own_get_the_rest_of_the_path() {
    let index = relaying();
    let check = |path: &str, expect: Option<(usize, &str)>| {
        let got = match resolve(&index, path) {
            Ok(Target::Relay(route, from)) => Some((route, &path[from..])),
            _ => None,
        };
        assert_eq!(got, expect, "{path}");
    };
    check("/flights/prod/delay", Some((0, "")));
    check("/flights/prod/delay/", Some((0, "/")));
    check(
        "/flights/staging/delay/v1/Chat.x/%2e",
        Some((1, "/v1/Chat.x/%2e")),
    );
    check("/delay/v1/models", Some((0, "/v1/models")));
    check("/v2/models/only/infer", Some((2, "/v2/models/only/infer")));
    check(
        "/v1/models/only:predict",
        Some((2, "/v1/models/only:predict")),
    );
    check("/delay/health/odd_1", None);
    check("/v1/models", None);
    assert_eq!(resolve(&index, "/v1/chat/completions"), Ok(Target::OpenAi));
    assert_eq!(resolve(&index, "/v1/embeddings"), Ok(Target::OpenAi));
}

proptest! {
    #[test]
    fn only_plain_names_lead_anywhere(path in "/?([a-z%2.5c\\\\/]|%2[ef]|flights|prod|delay|v2|models|\\PC){0,12}") {
        if resolve(&index(), &path).is_ok() {
            let decoded = decode(&path).unwrap();
            let plain = |b: u8| is_name_byte(b) || b == b'/' || b == b':';
            prop_assert!(decoded.bytes().all(plain), "{path}");
            prop_assert!(decoded.split('/').all(|part| !part.is_empty()), "{path}");
        }
    }
}
