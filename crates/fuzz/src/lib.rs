//! Random inputs for decoders: what they know, mutilated, again and again.
//!
//! Used by tests only, and by `cargo xtask fuzz`, which runs the same tests for minutes. It needs no instrumented
//! compiler: an input that a decoder understands is kept and mutilated further, so that it gets ever deeper from a few
//! examples. Everything follows from the seed. An input that fails is written to a file and named.

#![expect(clippy::print_stderr, reason = "says what failed, and how far it got")]

mod mutate;

use mutate::Mutator;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long, in seconds; without it, [`ROUNDS`] inputs.
pub const SECONDS: &str = "MAINSPAN_FUZZ_SECONDS";
/// Another seed.
pub const SEED: &str = "MAINSPAN_FUZZ_SEED";
/// Inputs of a run that nobody gave more time.
const ROUNDS: u64 = 4000;
/// The most inputs to go on from.
const POOL: usize = 1024;
/// A decoder that takes longer for an input hangs, or can be made to: no input is longer than [`mutate::LONGEST`].
const HANGS: Duration = Duration::from_secs(5);

/// Tries `decode` on inputs made from `examples`; it answers whether it understood. It must not panic, and may assert
/// what holds for everything it understands.
///
/// # Panics
/// When `decode` does, or takes long.
pub fn run(name: &str, examples: &[&[u8]], decode: impl Fn(&[u8]) -> bool) {
    let setting = |name| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    let bound = match setting(SECONDS) {
        Some(seconds) => Bound::Until(Instant::now() + Duration::from_secs(seconds)),
        None => Bound::Rounds(ROUNDS),
    };
    let seed = setting(SEED).unwrap_or(2026);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz");
    let Tally { inputs, understood } = Run { name, folder }.go(examples, seed, bound, decode);
    eprintln!("{name}: {inputs} inputs, {understood} understood, seed {seed}");
    assert!(understood > 0, "{name}: no input was understood");
}

/// How long it goes on.
#[derive(Clone, Copy)]
enum Bound {
    Rounds(u64),
    Until(Instant),
}

impl Bound {
    fn is_over(self, rounds: u64) -> bool {
        match self {
            Self::Rounds(most) => rounds >= most,
            Self::Until(end) => Instant::now() >= end,
        }
    }
}

/// What was done.
struct Tally {
    inputs: u64,
    understood: u64,
}

struct Run<'a> {
    name: &'a str,
    /// Where inputs are written that fail.
    folder: PathBuf,
}

impl Run<'_> {
    fn go(
        &self,
        examples: &[&[u8]],
        seed: u64,
        bound: Bound,
        decode: impl Fn(&[u8]) -> bool,
    ) -> Tally {
        let mut pool: Vec<Vec<u8>> = examples.iter().map(|example| example.to_vec()).collect();
        for example in &pool {
            let understood = self.tried(example, &decode);
            assert!(understood, "an example of {} is not understood", self.name);
        }
        let mut mutator = Mutator::new(seed);
        let mut tally = Tally {
            inputs: 0,
            understood: 0,
        };
        while !bound.is_over(tally.inputs) {
            tally.inputs += 1;
            let input = mutator.next(&pool);
            if !self.tried(&input, &decode) {
                continue;
            }
            tally.understood += 1;
            if pool.len() < POOL {
                pool.push(input);
            } else {
                let place = examples.len() + mutator.below(POOL - examples.len());
                pool[place] = input;
            }
        }
        tally
    }

    fn tried(&self, input: &[u8], decode: &impl Fn(&[u8]) -> bool) -> bool {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| decode(input)));
        let took = began.elapsed();
        match outcome {
            Ok(understood) if took < HANGS => understood,
            Ok(_) => panic!("{}: {took:?} for {}", self.name, self.kept(input)),
            Err(panic) => {
                eprintln!("{}: it fails on {}", self.name, self.kept(input));
                resume_unwind(panic)
            }
        }
    }

    /// Writes an input that fails; answers where, and what it is.
    fn kept(&self, input: &[u8]) -> String {
        let path = self.folder.join(format!("{}.input", self.name));
        let written =
            std::fs::create_dir_all(&self.folder).and_then(|()| std::fs::write(&path, input));
        let place = match written {
            Ok(()) => path.display().to_string(),
            Err(error) => error.to_string(),
        };
        format!("\"{}\" ({place})", input.escape_ascii())
    }
}

#[cfg(test)]
mod tests;
