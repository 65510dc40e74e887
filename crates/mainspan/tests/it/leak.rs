//! A replica that takes more memory with each request, until it reaches its limit.

use crate::world::{World, project, server, talk};
use serde_json::json;
use testkit::until;

/// A server that keeps eight megabytes of each request, if it is the first one there is.
const SERVER: &str = server!(
    r#"try:
    os.close(os.open("MARK", os.O_CREAT | os.O_EXCL))
    size = 8 << 20
except FileExistsError:
    size = 0
kept = []
"#,
    r#"    def do_GET(self):
        self.answer(200, b"{}")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kept.append(b"x" * size)
        self.answer(200, body)
"#
);

const FILE: &str = talk!("{ min: 2 }");

#[test]
fn a_replica_that_leaks_is_replaced_and_loses_nothing() {
    let world = World::talking(FILE, SERVER);
    let are_two = |when: &str| {
        until(&format!("two replicas {when}"), || {
            (world.ready(1) == 2).then_some(())
        });
    };
    are_two("at first");
    let mut asked = 0;
    let ended = until("the end of one", || {
        asked += 1;
        let words = json!({ "number": asked });
        let answer = world.product.predict("/talk/v1/say", &words).unwrap();
        assert_eq!(answer.json(), words);
        let events = world
            .product
            .read("projects/tiny/events?kind=replica.ended");
        events.as_array()?.first().cloned()
    });
    assert_eq!(ended["subject"], "service/talk@prod", "{ended}");
    let why = ended["reason"].as_str().unwrap();
    let expect = "of version 1 was started again: it needed more than its 128MiB of memory";
    assert!(why.contains(expect), "{why}");
    are_two("again");
}
