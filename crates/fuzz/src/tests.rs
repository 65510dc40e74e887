//! It finds what is wrong, and says with which input.

use super::*;

fn run_on(
    decode: impl Fn(&[u8]) -> bool,
    rounds: u64,
) -> (Option<String>, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let run = Run {
        name: "own",
        folder: folder.path().to_owned(),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        run.go(&[b"{\"a\": 12}"], 1, Bound::Rounds(rounds), decode)
    }));
    let said = outcome.err().and_then(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
    });
    (said, folder.path().join("own.input"), folder)
}

#[test]
fn an_input_that_fails_is_found_and_kept() {
    // Two steps away from the example: a length that is too large, behind a mark that must be there.
    let decode = |input: &[u8]| {
        let understood = input.contains(&b':');
        let bad = understood && input.windows(2).any(|pair| pair == b"\xff\xff");
        assert!(!bad, "two in a row");
        understood
    };
    let (said, path, _folder) = run_on(decode, 20_000);
    assert_eq!(said.as_deref(), Some("two in a row"));
    let input = std::fs::read(path).unwrap();
    assert!(input.windows(2).any(|pair| pair == b"\xff\xff"));
}

#[test]
fn what_is_always_right_is_right() {
    let (said, path, _folder) = run_on(|input| input.first() == Some(&b'{'), 2000);
    assert_eq!(said, None);
    assert!(!path.exists());
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let inputs = |seed| {
        let mut mutator = Mutator::new(seed);
        let pool = vec![b"abc".to_vec(), Vec::new()];
        (0..500).map(|_| mutator.next(&pool)).collect::<Vec<_>>()
    };
    assert_eq!(inputs(7), inputs(7));
    assert_ne!(inputs(7), inputs(8));
    assert!(inputs(7).iter().all(|input| input.len() <= mutate::LONGEST));
}
