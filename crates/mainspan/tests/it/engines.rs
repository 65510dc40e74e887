//! Services that are servers of their own, and models that the engine of their service cannot serve.

use crate::world::{PROJECT, World, project, server};
use serde_json::json;
use testkit::until;

/// A server that says which version it is, and what it was asked. It is ready at its second look.
const SERVER: &str = server!(
    r#"looks, warm = [], []
"#,
    r#"    def do_GET(self):
        looks.append(self.path)
        self.answer(200 if len(looks) > 1 else 503, looks)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/warm":
            warm.append(json.loads(body))
        said = open(os.environ["MODEL"] + "/words").read().strip()
        self.answer(200, {"said": said, "path": self.path, "asked": json.loads(body), "argument": sys.argv[1], "warm": warm})
"#
);

const FILE: &str = project!(
    "talk",
    r#"mkdir "$MAINSPAN_OUT_MODEL"; cp server.py words "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1"#,
    r#"    engine: command
    command: python3 "$MODEL/server.py" "$PORT"
    ready: /ready
    warmup: { body: '{"to": "nobody"}', path: /warm, requests: 3 }
    resources: { cpu: 0.1, memory: 128MiB }
"#
);

#[test]
fn a_command_is_rolled_out_and_taken_back() {
    let world = World::new(FILE);
    world.project.write("server.py", SERVER);
    world.project.write("words", "one");
    world.apply();
    world.project.commit("First");
    let says = |version: u32, words: &str| {
        until(&format!("an answer of version {version}"), || {
            let asked = json!({ "to": "you" });
            let got = world.product.predict("/talk/v1/say?loud=1", &asked).ok()?;
            let body = (got.status == 200 && got.version == Some(version)).then(|| got.json())?;
            assert_eq!((&body["said"], &body["asked"]), (&json!(words), &asked));
            assert_eq!(body["path"], "/v1/say?loud=1");
            let nobody = json!({ "to": "nobody" });
            assert_eq!(body["warm"], json!([nobody, nobody, nobody]));
            // The shell that starts it knows the port, too.
            assert!(body["argument"].as_str().unwrap().parse::<u16>().is_ok());
            Some(())
        });
    };
    says(1, "one");
    world.project.write("words", "two");
    world.project.commit("Second");
    says(2, "two");
    world.say(&["rollback", "talk", "-o", "json"]).json();
    says(1, "one");
}

#[test]
fn a_folder_without_onnx_needs_another_engine() {
    let file = FILE.replace("engine: command", "engine: onnx").replace(
        "    command: python3 \"$MODEL/server.py\" \"$PORT\"\n    ready: /ready\n    warmup: { body: '{\"to\": \"nobody\"}', path: /warm, requests: 3 }\n",
        "",
    );
    let world = World::new(&file);
    world.project.write("server.py", "");
    world.project.write("words", "");
    world.apply();
    let commit = world.project.commit("First");
    let run = world.run_of(&commit);
    let why = run["reason"].as_str().unwrap();
    assert!(why.contains("holds no .onnx file"), "{run}");
}

#[test]
fn a_replica_computes_as_many_requests_at_a_time_as_it_has_processors() {
    let world = World::applied(&PROJECT.replace("cpu: 0.1", "cpu: 1.5"));
    world.ship(1.0);
    world.answers("/delay", 1);
    let engines = world.engines("");
    let threads = engines.iter().filter_map(|(_, words)| {
        let at = words.iter().position(|word| word == "--threads")?;
        Some(words[at + 1].as_str())
    });
    let threads: Vec<_> = threads.collect();
    assert!(threads.contains(&"2") && threads.iter().all(|threads| *threads == "2"));
}
