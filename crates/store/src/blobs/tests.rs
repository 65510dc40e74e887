//! The same scenario on a local directory and on an object store in memory, and what only files
//! can suffer.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

use super::Blobs;
use crate::{Digest, Error, StateDir, Store, StoreUrl};

async fn conforms(url: &str) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    let blobs = Blobs::open(url, &state, &[]).unwrap();
    let abc = Digest::of(b"abc");
    assert!(
        matches!(blobs.get(&abc).await, Err(Error::NotFound { .. })),
        "{url}"
    );
    assert_eq!(blobs.put("abc").await.unwrap(), abc);
    assert_eq!(blobs.put("abc").await.unwrap(), abc);
    assert_eq!(blobs.get(&abc).await.unwrap(), "abc");
    assert_eq!(blobs.size(&abc).await.unwrap(), Some(3));

    let big: Vec<Bytes> = (0..40u8).map(|n| Bytes::from(vec![n; 500_000])).collect();
    let whole = big.concat();
    let stored = blobs
        .put_stream(stream::iter(big.into_iter().map(Ok)))
        .await
        .unwrap();
    assert_eq!(
        (stored.digest.clone(), stored.size),
        (Digest::of(&whole), whole.len() as u64)
    );
    let copy = dir.path().join("copy");
    blobs.fetch(&stored.digest, &copy).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == whole);
    assert_eq!(blobs.put_file(&copy).await.unwrap(), stored);

    for (from, length) in [
        (0, 1),
        (499_999, 2),
        (1_000_000, 3_000_000),
        (19_999_999, 1),
    ] {
        let pieces = blobs.read_part(&stored.digest, from, length);
        let pieces: Vec<Bytes> = pieces.map(|piece| piece.unwrap()).collect().await;
        let part = pieces.concat();
        let from = usize::try_from(from).unwrap();
        let expect = &whole[from..from + usize::try_from(length).unwrap()];
        assert!(part == expect, "{url}: {from} {length}");
    }

    let empty = blobs.put("").await.unwrap();
    assert_eq!(blobs.get(&empty).await.unwrap(), "");
    parts(&blobs, url).await;
    let broken = stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("gone"))]);
    assert!(blobs.put_stream(broken).await.is_err());
    let mut all = vec![abc.clone(), stored.digest, empty];
    all.sort();
    assert_eq!(blobs.list().await.unwrap(), all);
    assert!(blobs.delete(&abc).await.unwrap());
    assert!(!blobs.delete(&abc).await.unwrap());
    assert_eq!(blobs.size(&abc).await.unwrap(), None);
}

/// Parts in any order make one blob, and leave nothing else behind.
async fn parts(blobs: &Blobs, url: &str) {
    let send = async |number, bytes: &'static str| {
        let pieces = stream::iter([Ok(Bytes::from(bytes))]);
        (
            number,
            blobs.put_part("u", number, pieces).await.unwrap().digest,
        )
    };
    let (two, one, other) = (send(2, "c").await, send(1, "ab").await, send(1, "xy").await);
    let before = blobs.list().await.unwrap();
    let joined = blobs.join_parts("u", &[one.clone(), two]).await.unwrap();
    assert_eq!(
        (joined.digest, joined.size),
        (Digest::of(b"abc"), 3),
        "{url}"
    );
    assert_eq!(
        blobs.list().await.unwrap(),
        before,
        "{url}: `abc` was there"
    );
    let mixed = [(2, one.1)];
    assert!(
        blobs.join_parts("u", &mixed).await.is_err(),
        "{url}: no such part"
    );
    blobs.drop_parts("u").await.unwrap();
    blobs.drop_parts("u").await.unwrap();
    assert!(
        blobs.join_parts("u", &[other]).await.is_err(),
        "{url}: gone"
    );
}

#[tokio::test]
async fn every_place_keeps_bytes() {
    conforms("").await;
    conforms("memory:///prefix").await;
}

#[tokio::test]
async fn what_is_put_again_is_pardoned() {
    for url in ["", "memory:///"] {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path()).unwrap();
        let blobs = Blobs::open(url, &state, &[]).unwrap();
        let (a, b) = (blobs.put("a").await.unwrap(), blobs.put("b").await.unwrap());
        assert!(
            !blobs.remove_condemned(&a).await.unwrap(),
            "{url}: not condemned"
        );
        blobs.condemn([a.clone(), b.clone()].into()).await;
        assert_eq!(blobs.clone().put("a").await.unwrap(), a);
        assert_eq!(blobs.condemned().await, [b.clone()].into());
        assert!(
            !blobs.remove_condemned(&a).await.unwrap(),
            "{url}: pardoned"
        );
        assert!(blobs.remove_condemned(&b).await.unwrap(), "{url}");
        assert!(!blobs.remove_condemned(&b).await.unwrap(), "{url}: once");
        assert_eq!(blobs.list().await.unwrap(), [a], "{url}");
    }
}

#[tokio::test]
async fn bytes_from_elsewhere_are_fetched_into_a_cache_once() {
    for (url, cached) in [("", false), ("memory:///", true)] {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path()).unwrap();
        let blobs = Blobs::open(url, &state, &[]).unwrap();
        let cache = dir.path().join("not/there/yet");
        let gone = blobs.on_disk(&Digest::of(b"abc"), &cache).await;
        assert!(
            matches!(gone, Err(Error::NotFound { .. })),
            "{url}: {gone:?}"
        );
        let digest = blobs.put("abc").await.unwrap();
        let path = blobs.on_disk(&digest, &cache).await.unwrap();
        assert_eq!(path.starts_with(&cache), cached, "{url}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc");
        blobs.delete(&digest).await.unwrap();
        let again = blobs.on_disk(&digest, &cache).await;
        assert_eq!(
            again.is_ok(),
            cached,
            "{url}: a copy stays, a blob does not"
        );
        let left = std::fs::read_dir(&cache).map_or(0, Iterator::count);
        assert_eq!(left, usize::from(cached), "{url}: nothing half fetched");
    }
}

#[tokio::test]
async fn damaged_bytes_are_never_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&StateDir::create(dir.path()).unwrap()).unwrap();
    let digest = blobs.put("the model").await.unwrap();
    let path = blobs.path_of(&digest).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "the mod3l").unwrap();
    let mut pieces = blobs.read(&digest);
    assert!(matches!(pieces.next().await, Some(Err(Error::Corrupt(_)))));
    let to = dir.path().join("out");
    std::fs::write(&to, "before").unwrap();
    assert!(matches!(blobs.get(&digest).await, Err(Error::Corrupt(_))));
    assert!(matches!(
        blobs.fetch(&digest, &to).await,
        Err(Error::Corrupt(_))
    ));
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "before");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        2,
        "no temporary file stays"
    );
}

#[tokio::test]
async fn links_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::local(&StateDir::create(dir.path()).unwrap()).unwrap();
    let digest = blobs.put("mine").await.unwrap();
    let (path, secret) = (blobs.path_of(&digest).unwrap(), dir.path().join("secret"));
    std::fs::write(&secret, "mine").unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&secret, &path).unwrap();
    assert!(matches!(blobs.get(&digest).await, Err(Error::Corrupt(_))));
    let part = blobs.read_part(&digest, 0, 2).next().await;
    assert!(matches!(part, Some(Err(Error::Corrupt(_)))));
}

#[tokio::test]
async fn what_a_killed_process_left_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    Blobs::local(&state).unwrap();
    let half = state.blobs().join("tmp/half");
    std::fs::write(&half, "half a blob").unwrap();
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    assert!(!half.exists());
    let blobs = Blobs::local(store.state_dir()).unwrap();
    assert_eq!(blobs.list().await.unwrap(), []);
}

#[tokio::test]
async fn only_object_stores_have_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    let environment = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let digest = Digest::of(b"abc");
    for (url, begins) in [
        ("", None),
        ("memory:///", None),
        (
            "s3://bucket/some/prefix",
            Some("https://s3.eu-central-1.amazonaws.com/bucket/some/prefix/ba/ba78"),
        ),
    ] {
        let blobs = Blobs::open(url, &state, &environment).unwrap();
        let address = blobs
            .address(&digest, std::time::Duration::from_secs(300))
            .await
            .unwrap();
        assert_eq!(address.is_some(), begins.is_some(), "{url}");
        let (address, begins) = (address.unwrap_or_default(), begins.unwrap_or_default());
        assert!(
            address.starts_with(begins) && !address.contains("s3cret"),
            "{url}: {address}"
        );
        assert!(
            begins.is_empty() || address.contains("X-Amz-Expires=300"),
            "{url}: {address}"
        );
    }
}

#[test]
fn an_unknown_place_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    let error = Blobs::open("gopher://hole", &state, &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("use a directory"), "{error}");
}
