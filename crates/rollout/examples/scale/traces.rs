//! Recorded requests: Azure's LLM inference traces of November 2023 (see data/README.md).

use anyhow::{Context as _, ensure};
use std::{fs::File, io::Read as _, path::Path, time::Duration};

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// When it comes, after the first one.
    pub(crate) at: Duration,
    /// How long a replica takes for it.
    pub(crate) takes: Duration,
}

/// Reads `time,prompt tokens,output tokens`; a request takes 0.1 s, 0.2 ms for each token of its prompt and 20 ms for each
/// of its output.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Request>> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("no `{}`", path.display()))?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    let lines = text.lines().skip(1).filter(|line| !line.trim().is_empty());
    let mut requests: Vec<Request> = lines
        .map(|line| request(line).with_context(|| format!("`{line}` is no request")))
        .collect::<anyhow::Result<_>>()?;
    requests.sort_by_key(|request| request.at);
    ensure!(!requests.is_empty(), "`{}` is empty", path.display());
    let first = requests[0].at;
    requests.iter_mut().for_each(|request| request.at -= first);
    Ok(requests)
}

fn request(line: &str) -> Option<Request> {
    let (time, tokens) = line.trim().split_once(',')?;
    let (prompt, output) = tokens.split_once(',')?;
    let (_, clock) = time.split_once(' ')?;
    let mut parts = clock.split(':').map(str::parse::<f64>);
    let mut part = || parts.next()?.ok();
    let at = part()? * 3600.0 + part()? * 60.0 + part()?;
    let tokens = 0.0002 * prompt.parse::<f64>().ok()? + 0.02 * output.parse::<f64>().ok()?;
    Some(Request {
        at: Duration::from_secs_f64(at),
        takes: Duration::from_secs_f64(0.1 + tokens),
    })
}

/// The same requests, so many times as often: each copy is moved on by another part of the hour.
pub(crate) fn times(requests: &[Request], copies: u32) -> Vec<Request> {
    let whole = requests.last().map_or(Duration::ZERO, |last| last.at);
    let mut all: Vec<Request> = (0..copies)
        .flat_map(|copy| {
            let shift = whole * copy / copies;
            requests.iter().map(move |request| {
                let at = request.at + shift;
                let at = if at > whole { at - whole } else { at };
                Request { at, ..*request }
            })
        })
        .collect();
    all.sort_by_key(|request| request.at);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_request() {
        let got = request("2023-11-16 18:17:03.9799600,4808,10");
        let takes = 0.1 + 0.0002 * 4808.0 + 0.02 * 10.0;
        let expect = Request {
            at: Duration::from_secs_f64(18.0 * 3600.0 + 17.0 * 60.0 + 3.97996),
            takes: Duration::from_secs_f64(takes),
        };
        assert_eq!(got, Some(expect));
        for wrong in ["", "2023-11-16,1,2", "2023-11-16 18:17:03.9,4808"] {
            assert_eq!(request(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn copies_are_spread_over_the_same_time() {
        let requests: Vec<Request> = [0, 1, 8]
            .map(|at| Request {
                at: Duration::from_secs(at),
                takes: Duration::ZERO,
            })
            .into();
        let at: Vec<u64> = times(&requests, 2)
            .iter()
            .map(|it| it.at.as_secs())
            .collect();
        assert_eq!(at, [0, 1, 4, 4, 5, 8]);
    }
}
