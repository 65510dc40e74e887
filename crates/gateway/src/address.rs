//! What a path of the data plane means.
//!
//! Called for each request by the edge. Addresses are made of `a-z`, `0-9`, `-` and `_` only, so
//! everything else is refused before it could mean anything: `..`, encoded dots and slashes,
//! double encoding, backslashes, NUL. Pure; a path is looked up in a table and never becomes a
//! file's path.

use std::borrow::Cow;

use crate::table::Index;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Plain rows of the route.
    Rows(usize),
    /// Labels of the route.
    Labels(usize),
    /// The Open Inference Protocol's server metadata.
    Server,
    /// Whether the gateway runs.
    Live,
    /// Whether the route, or without one the gateway, can answer.
    Ready(Option<usize>),
    /// The names of the models at the route, or of all.
    Repository(Option<usize>),
    /// What the models at the route, or all, did.
    Statistics(Option<usize>),
    /// A model of the Open Inference Protocol, at a version if the path names one.
    Model(usize, Option<u32>, ModelTarget),
    /// The names of the models at the route, or of all, in KServe's first protocol and in OpenAI's.
    V1Models(Option<usize>),
    /// A model in these protocols.
    V1Model(usize),
    /// A prediction in KServe's first protocol.
    V1Predict(usize),
    /// A prediction in MLflow's scoring protocol.
    Score(usize),
    /// Whether the route, or the gateway, is well, as MLflow asks it.
    Ping(Option<usize>),
    /// Which release of MLflow is spoken.
    Version,
    /// What MLflow's deployments client can call.
    Endpoints,
    /// One of them.
    Endpoint(usize),
    /// Whatever the route's replicas, which are servers of their own, say to the rest of the path
    /// from this byte on.
    Relay(usize, usize),
    /// OpenAI's protocol; its body names the model.
    OpenAi,
}

/// What a request asks of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelTarget {
    /// Inputs, outputs, versions.
    Metadata,
    /// Whether it can answer.
    Ready,
    /// A prediction.
    Infer,
    /// Its configuration, as Triton has it.
    Config,
    /// What it did.
    Statistics,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// It has bytes that no address has.
    #[error("the path has characters that no address has; use only a-z, 0-9, `-`, `_` and `/`")]
    Malformed,
    /// It is well formed, but nothing is there.
    #[error(
        "nothing is served at this path; services are at /{{project}}/{{environment}}/{{service}}"
    )]
    NotFound,
}

/// More parts than the longest address has.
const MAX_PARTS: usize = 10;
/// What MLflow's deployments client asks for; no other address has a dot.
const ENDPOINTS: &str = "/api/2.0/endpoints";

/// Whether a byte may be part of a name in an address.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// Finds what a path (as sent, without the query) means under a table.
pub(crate) fn resolve(index: &Index, path: &str) -> Result<Target, AddressError> {
    if index.has_relays()
        && let Some((route, from)) = relayed(index, path)
    {
        return Ok(Target::Relay(route, from));
    }
    if let Some(rest) = path.strip_prefix(ENDPOINTS) {
        return endpoints(index, rest);
    }
    let path = decode(path)?;
    let mut parts = [""; MAX_PARTS];
    let mut count = 0;
    for part in path.split('/') {
        *parts.get_mut(count).ok_or(AddressError::NotFound)? = part;
        count += 1;
    }
    let parts = &parts[..count];
    match parts {
        ["v2", rest @ ..] => return protocol(index, None, rest).map(|t| through(index, t)),
        ["v1", rest @ ..] => return first_protocol(index, None, rest).map(|t| through(index, t)),
        _ => {}
    }
    if let [project, environment, service, rest @ ..] = parts {
        let base = project.len() + environment.len() + service.len() + 2;
        if let Some(route) = index.by_base(&path[..base]) {
            return under(index, route, rest);
        }
    }
    match index.by_root(parts[0]) {
        Some(route) => under(index, route, &parts[1..]),
        None => at_root(index, parts),
    }
}

/// A path below a base whose replicas speak HTTP: theirs from where the base ends. Paths of
/// others' servers may hold what no address of ours does, so they are not decoded.
fn relayed(index: &Index, path: &str) -> Option<(usize, usize)> {
    let inside = path.strip_prefix('/')?;
    let part = |n: usize| {
        let ends = inside.match_indices('/').map(|(at, _)| at);
        ends.chain([inside.len()]).nth(n)
    };
    let by_base = part(2).and_then(|end| Some((index.by_base(&inside[..end])?, end + 1)));
    let found = by_base.or_else(|| {
        let end = part(0)?;
        Some((index.by_root(&inside[..end])?, end + 1))
    });
    found.filter(|(route, _)| index.relays(*route))
}

/// A model at the root whose replicas speak HTTP is asked at the same path.
fn through(index: &Index, target: Target) -> Target {
    match target {
        Target::Model(route, ..) | Target::V1Predict(route) if index.relays(route) => {
            Target::Relay(route, 0)
        }
        other => other,
    }
}

/// What is at the root beside services.
fn at_root(index: &Index, parts: &[&str]) -> Result<Target, AddressError> {
    match parts {
        ["ping" | "health"] => Ok(Target::Ping(None)),
        ["version"] => Ok(Target::Version),
        ["invocations"] => index
            .only()
            .map(Target::Score)
            .ok_or(AddressError::NotFound),
        ["endpoints", name, "invocations"] => model(index, None, name).map(Target::Score),
        _ => Err(AddressError::NotFound),
    }
}

/// What MLflow's deployments client asks for.
fn endpoints(index: &Index, rest: &str) -> Result<Target, AddressError> {
    match rest.trim_matches('/') {
        "" => Ok(Target::Endpoints),
        name => model(index, None, &decode(&format!("/{name}"))?).map(Target::Endpoint),
    }
}

/// What is under a route's base path.
fn under(index: &Index, route: usize, rest: &[&str]) -> Result<Target, AddressError> {
    match rest {
        [] => Ok(Target::Rows(route)),
        ["labels"] => Ok(Target::Labels(route)),
        ["v2", rest @ ..] => protocol(index, Some(route), rest),
        ["v1", rest @ ..] => first_protocol(index, Some(route), rest),
        ["invocations"] => Ok(Target::Score(route)),
        ["ping" | "health"] => Ok(Target::Ping(Some(route))),
        ["version"] => Ok(Target::Version),
        _ => Err(AddressError::NotFound),
    }
}

/// The Open Inference Protocol's paths after `v2`, under a base path or at the root.
fn protocol(index: &Index, base: Option<usize>, rest: &[&str]) -> Result<Target, AddressError> {
    let (name, version, rest) = match rest {
        [] => return Ok(Target::Server),
        ["health", "live"] => return Ok(Target::Live),
        ["health", "ready"] => return Ok(Target::Ready(base)),
        ["repository", "index"] => return Ok(Target::Repository(base)),
        ["models", "stats"] => return Ok(Target::Statistics(base)),
        ["models", name, "versions", version, rest @ ..] => {
            let version = version.parse().map_err(|_| AddressError::NotFound)?;
            (name, Some(version), rest)
        }
        ["models", name, rest @ ..] => (name, None, rest),
        _ => return Err(AddressError::NotFound),
    };
    let target = match rest {
        [] => ModelTarget::Metadata,
        ["ready"] => ModelTarget::Ready,
        ["infer"] => ModelTarget::Infer,
        ["config"] => ModelTarget::Config,
        ["stats"] => ModelTarget::Statistics,
        _ => return Err(AddressError::NotFound),
    };
    Ok(Target::Model(model(index, base, name)?, version, target))
}

/// The paths of KServe's first protocol after `v1`, under a base path or at the root.
fn first_protocol(
    index: &Index,
    base: Option<usize>,
    rest: &[&str],
) -> Result<Target, AddressError> {
    match rest {
        ["models"] => Ok(Target::V1Models(base)),
        ["models", name] => match name.split_once(':') {
            None => model(index, base, name).map(Target::V1Model),
            Some((name, "predict")) => model(index, base, name).map(Target::V1Predict),
            Some(_) => Err(AddressError::NotFound),
        },
        ["chat", "completions"] | ["completions" | "embeddings"] if base.is_none() => {
            Ok(Target::OpenAi)
        }
        _ => Err(AddressError::NotFound),
    }
}

/// The route that a model's name means, under a base path or at the root.
fn model(index: &Index, base: Option<usize>, name: &str) -> Result<usize, AddressError> {
    match base {
        Some(route) if index.table.routes[route].service == name => Ok(route),
        Some(_) => Err(AddressError::NotFound),
        None => index.by_model(name).ok_or(AddressError::NotFound),
    }
}

/// Takes the first slash off and decodes `%XX`, once, where it stands for a character of a name. A
/// colon divides a model's name from what is asked of it.
fn decode(path: &str) -> Result<Cow<'_, str>, AddressError> {
    let path = path.strip_prefix('/').ok_or(AddressError::Malformed)?;
    if path
        .bytes()
        .all(|b| is_name_byte(b) || b == b'/' || b == b':')
    {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|b| b.and_then(hex));
                let [Some(high), Some(low)] = digits else {
                    return Err(AddressError::Malformed);
                };
                let byte = high << 4 | low;
                if !is_name_byte(byte) {
                    return Err(AddressError::Malformed);
                }
                byte
            }
            b'/' | b':' => byte,
            // Capital letters, dots inside names and the like are harmless, but no name has them.
            b'A'..=b'Z' | b'~' => return Err(AddressError::NotFound),
            other if is_name_byte(other) => other,
            _ => return Err(AddressError::Malformed),
        };
        decoded.push(char::from(byte));
    }
    Ok(Cow::Owned(decoded))
}

fn hex(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests;
