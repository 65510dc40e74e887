//! A server of one's own that hangs up in the middle of a request, and may end.

use crate::world::{World, project, server, talk};
use serde_json::json;
use testkit::until;

/// Its first process hangs up on whoever asks, and ends a moment after it was told to.
const SERVER: &str = server!(
    r#"import signal
try:
    os.close(os.open("MARK", os.O_CREAT | os.O_EXCL))
    dies = True
except FileExistsError:
    dies = False
"#,
    r#"    def do_GET(self):
        self.answer(200, b"{}")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if dies and b"die" in body:
            threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if dies:
            self.close_connection = True
        else:
            self.answer(200, body)
"#
);

const FILE: &str = talk!("{ min: 1 }");

#[test]
fn a_request_whose_only_replica_dies_is_answered_by_the_next_one() {
    let world = World::talking(FILE, SERVER);
    until("a replica", || (world.ready(1) == 1).then_some(()));
    let words = json!({ "text": "die" });
    let answer = world.product.predict("/talk/v1/say", &words).unwrap();
    assert_eq!((answer.status, answer.json()), (200, words));
}

#[test]
fn a_request_that_a_replica_hangs_up_on_is_answered_by_another() {
    let world = World::talking(&FILE.replace("min: 1", "min: 2"), SERVER);
    until("two replicas", || (world.ready(1) == 2).then_some(()));
    for number in 0..20 {
        let words = json!({ "number": number });
        let answer = world.product.predict("/talk/v1/say", &words).unwrap();
        assert_eq!((answer.status, answer.json()), (200, words));
    }
}
