//! Every older version's file opens, a newer one is refused. For each version there is a dump of
//! a small store in `fixtures/`; `MAINSPAN_UPDATE_FIXTURES=1` writes the newest version's anew, which is
//! right only while that version has not been released.

use std::fmt::Write as _;
use std::path::Path;

use super::conformance::{model, version};
use super::{at, event, fresh};
use crate::backend::migrate::{MIGRATIONS, newest};
use crate::{
    Error, Events as _, Models as _, Priority, Project, Projects as _, StateDir, Store, StoreUrl,
};

/// A dump per version, the first one first.
pub(super) const FIXTURES: &[&str] = &[
    include_str!("fixtures/v1.sql"),
    include_str!("fixtures/v2.sql"),
    include_str!("fixtures/v3.sql"),
    include_str!("fixtures/v4.sql"),
    include_str!("fixtures/v5.sql"),
];

pub(super) fn database(dump: &str) -> (StateDir, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    rusqlite::Connection::open(state.database())
        .unwrap()
        .execute_batch(dump)
        .unwrap();
    (state, dir)
}

/// Statements that make the same database again.
fn dump(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let list = |sql: &str| -> Vec<(String, String)> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut text = String::new();
    let schema = list(
        "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    );
    for (name, sql) in &schema {
        writeln!(text, "{sql};").unwrap();
        let columns = list(&format!(
            "SELECT name, type FROM pragma_table_info('{name}')"
        ));
        let quoted: Vec<_> = columns
            .iter()
            .map(|(column, _)| format!("quote(\"{column}\")"))
            .collect();
        if sql.starts_with("CREATE TABLE") {
            let rows = list(&format!(
                "SELECT '', {} FROM {name}",
                quoted.join(" || ', ' || ")
            ));
            rows.iter().for_each(|(_, values)| {
                writeln!(text, "INSERT INTO {name} VALUES ({values});").unwrap();
            });
        }
    }
    text
}

/// What the dumps hold.
async fn fill(store: &Store) {
    let project = Project {
        name: "flights".into(),
        root: None,
        branch: Some("main".into()),
        created_at: at(0),
        generation: 1,
    };
    let fill = move |tx: &mut crate::Tx<'_>| {
        tx.put_project(&project)?;
        tx.append_event(&event("project.applied", 0))?;
        tx.create_model(&model("delay"))?;
        tx.create_version(&version("delay"))
    };
    store.write(Priority::Normal, fill).await.unwrap();
}

/// A released migration never changes: who edits one breaks the files that it made.
#[tokio::test]
async fn the_newest_dump_is_what_this_version_writes() {
    let (store, _dir) = fresh();
    fill(&store).await;
    let path = store.state_dir().database();
    drop(store);
    let found = dump(&path);
    if std::env::var_os("MAINSPAN_UPDATE_FIXTURES").is_some() {
        let name = format!(
            "{}/src/tests/fixtures/v{}.sql",
            env!("CARGO_MANIFEST_DIR"),
            newest()
        );
        std::fs::write(name, &found).unwrap();
    }
    assert!(
        found == *FIXTURES[FIXTURES.len() - 1],
        "the schema changed without a new migration:\n{found}"
    );
}

#[tokio::test]
async fn every_older_version_opens() {
    assert_eq!(
        FIXTURES.len(),
        MIGRATIONS.len(),
        "a migration needs a dump of the version that it makes"
    );
    for (version, dump) in (1..).zip(FIXTURES) {
        let (state, _dir) = database(dump);
        let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
        let (project, versions, events) = store
            .read(|tx| {
                Ok((
                    tx.project("flights")?,
                    tx.versions("m", "delay")?,
                    tx.last_event()?,
                ))
            })
            .await
            .unwrap();
        assert_eq!(project.unwrap().created_at, at(0), "version {version}");
        assert_eq!(
            versions.iter().map(|v| v.version).collect::<Vec<_>>(),
            [1],
            "version {version}"
        );
        assert_eq!(events, 1, "version {version}");
        store
            .write(Priority::Normal, |tx| tx.append_event(&event("opened", 1)))
            .await
            .unwrap();
    }
}

#[test]
fn a_newer_version_is_refused() {
    let (state, _dir) = database(FIXTURES[0]);
    let connection = rusqlite::Connection::open(state.database()).unwrap();
    connection
        .execute(
            "INSERT INTO mainspan_schema (version) VALUES (?1)",
            [newest() + 1],
        )
        .unwrap();
    let error = Store::open(&StoreUrl::Sqlite, &state).unwrap_err();
    assert!(matches!(error, Error::Newer { .. }), "{error}");
    assert!(
        error.to_string().contains("written by a newer version"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    std::fs::write(state.database(), "this is my diary, not a database at all").unwrap();
    assert!(matches!(
        Store::open(&StoreUrl::Sqlite, &state),
        Err(Error::Corrupt(_))
    ));
}
