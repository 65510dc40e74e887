//! Finding the library, and refusing what is not the pinned one.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn an_option_goes_before_the_variable_and_both_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, none) = (
        dir.path().join("a.so"),
        dir.path().join("b.so"),
        dir.path().join("none.so"),
    );
    fs::write(&a, "a").unwrap();
    fs::write(&b, "b").unwrap();
    let check = |option: Option<&Path>, variable: Option<&Path>, expect: Result<&Path, &str>| {
        let got = resolve(option, variable.map(|path| path.as_os_str().to_owned()));
        match expect {
            Ok(path) => assert_eq!(got.unwrap(), path),
            Err(start) => {
                let message = got.unwrap_err().to_string();
                assert!(message.starts_with(start), "{message}");
            }
        }
    };
    check(Some(&a), Some(&b), Ok(&a));
    check(None, Some(&b), Ok(&b));
    check(
        None,
        None,
        Err("no ONNX Runtime library is known; let `mainspan up` fetch it"),
    );
    check(
        None,
        Some(Path::new("")),
        Err("no ONNX Runtime library is known"),
    );
    check(
        Some(&none),
        Some(&b),
        Err("there is no ONNX Runtime library at"),
    );
}

/// A program that stands in for Python: as `-m pip download … --dest DIR …` it writes a wheel of
/// these bytes, otherwise it fails.
fn python(dir: &Path, wheel: &str) -> PathBuf {
    let pin = pin().unwrap();
    let file = format!("onnxruntime-{VERSION}-cp312-cp312-{}.whl", pin.platform);
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = -m ] || {{ echo no unzip >&2; exit 3; }}\nwhile [ \"$1\" != --dest ]; do shift; done\nprintf '{wheel}' > \"$2/{file}\"\n"
    );
    let path = dir.join("python");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_wheel_with_another_digest_is_not_installed() {
    let dir = tempfile::tempdir().unwrap();
    let refused = fetch(dir.path(), &python(dir.path(), "evil")).unwrap_err();
    assert!(matches!(&refused, LibraryError::Digest { .. }), "{refused}");
    assert_eq!(locate(dir.path()), None);
    let left: Vec<_> = fs::read_dir(dir.path().join("runtime")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_python_that_is_missing_or_fails_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let check = |python: &Path, part: &str| {
        let message = fetch(dir.path(), python).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(
            message.ends_with("reaches the package index, or set ORT_DYLIB_PATH"),
            "{message}"
        );
    };
    check(
        Path::new("/nonexistent/python"),
        "`/nonexistent/python -m pip download` failed (No such file",
    );
    check(
        Path::new("/bin/false"),
        "`/bin/false -m pip download` failed (exit status: 1: no message",
    );
}

#[test]
fn what_was_fetched_is_found_without_python() {
    let dir = tempfile::tempdir().unwrap();
    let place = path(dir.path());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "library").unwrap();
    assert_eq!(
        fetch(dir.path(), Path::new("/nonexistent/python")).unwrap(),
        place
    );
    let refused = verify(&place).unwrap_err();
    assert!(matches!(refused, LibraryError::Digest { .. }), "{refused}");
}
