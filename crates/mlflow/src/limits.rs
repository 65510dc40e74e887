//! MLflow's limits on sizes and counts (mlflow/utils/validation.py), checked before anything is stored.

use crate::Error;
use std::fmt::Display;

/// Metrics in one log-batch.
pub const BATCH_METRICS: usize = 1000;
/// Parameters in one log-batch.
pub const BATCH_PARAMS: usize = 100;
/// Tags in one log-batch.
pub const BATCH_TAGS: usize = 100;
/// Everything together in one log-batch.
pub const BATCH_ENTITIES: usize = 1000;
/// Bytes of a metric's, parameter's or tag's key.
pub const KEY: usize = 250;
/// Characters of a parameter's value.
pub const PARAM_VALUE: usize = 6000;
/// Characters of a run tag's value.
pub const RUN_TAG_VALUE: usize = 8000;
/// Characters of a registered model's name.
pub const MODEL_NAME: usize = 256;
/// Characters of an experiment's name.
pub const EXPERIMENT_NAME: usize = 500;
/// Characters of an experiment tag's value.
pub const EXPERIMENT_TAG_VALUE: usize = 20_000;
/// Characters of a registry tag's value.
pub const REGISTRY_TAG_VALUE: usize = 100_000;
/// Characters of an alias.
pub const ALIAS: usize = 255;
/// Rows of a page of runs unless told, and at most.
pub const RUNS_PAGE: (u64, u64) = (1000, 50_000);
/// Points of a page of a metric's history, at most.
pub const HISTORY_PAGE: u64 = 25_000;
/// Rows of a page of experiments unless told, and at most.
pub const EXPERIMENTS_PAGE: (u64, u64) = (1000, 50_000);
/// Rows of a page of logged models unless told, and at most: more may be asked for and come in several pages.
pub const LOGGED_MODELS_PAGE: (u64, u64) = (100, 1000);
/// Characters of the key and the value of an input's tag.
pub const INPUT_TAG: (usize, usize) = (255, 500);
/// Points of one metric of each of several runs unless told, and at most.
pub const SAMPLED_POINTS: u64 = 2500;
/// Runs whose histories may be asked for at once.
pub const HISTORY_RUNS: usize = 100;
/// Experiments whose datasets may be asked for at once.
pub const DATASETS_OF: usize = 20;
/// Characters of a dataset's name, digest, source, schema and profile.
pub const DATASET: [(&str, usize); 5] = [
    ("name", 500),
    ("digest", 36),
    ("source", 65_535),
    ("schema", 1_048_575),
    ("profile", 16_777_215),
];
/// Rows of a page of registered models unless told, and at most.
pub const MODELS_PAGE: (u64, u64) = (100, 1000);
/// Rows of a page of model versions unless told, and at most.
pub const VERSIONS_PAGE: (u64, u64) = (10_000, 200_000);

/// Characters of a webhook's name.
pub const WEBHOOK_NAME: usize = 63;
/// Rows of a page of webhooks unless told, and at most.
pub const WEBHOOKS_PAGE: (u64, u64) = (100, 1000);
/// Rows of a page of evaluation datasets, or of their records, unless told, and at most.
pub const EVALUATION_PAGE: (u64, u64) = (1000, 50_000);
/// Rows of a page of issues, or of label schemas, unless told, and at most.
pub const REVIEWS_PAGE: (u64, u64) = (100, 50_000);

/// Checks a text's length.
///
/// # Errors
/// INVALID_PARAMETER_VALUE naming the field and its limit.
pub fn at_most(field: impl Display, value: &str, limit: usize) -> Result<(), Error> {
    if value.chars().count() <= limit {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "'{field}' exceeds the maximum length of {limit} characters"
    )))
}

/// The first `limit` characters, as MLflow cuts long parameter and tag values.
pub fn cut(value: &str, limit: usize) -> &str {
    value
        .char_indices()
        .nth(limit)
        .map_or(value, |(end, _)| &value[..end])
}

/// Checks the counts of one log-batch.
///
/// # Errors
/// INVALID_PARAMETER_VALUE naming the kind that is too many.
pub fn batch(metrics: usize, params: usize, tags: usize) -> Result<(), Error> {
    for (what, count, limit) in [
        ("metrics", metrics, BATCH_METRICS),
        ("params", params, BATCH_PARAMS),
        ("tags", tags, BATCH_TAGS),
        (
            "metrics, params, and tags",
            metrics + params + tags,
            BATCH_ENTITIES,
        ),
    ] {
        if count > limit {
            return Err(Error::invalid(format!(
                "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what} across multiple requests and try again."
            )));
        }
    }
    Ok(())
}

/// The page size to use for a request's `max_results`.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when it is zero or above the limit.
pub fn page(asked: Option<i64>, (default, limit): (u64, u64)) -> Result<u64, Error> {
    let Some(asked) = asked else {
        return Ok(default);
    };
    let refuse = |must: String| {
        Err(Error::invalid(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be {must}"
        )))
    };
    match u64::try_from(asked) {
        Ok(rows) if rows > limit => refuse(format!("at most {limit}")),
        Ok(rows) if rows > 0 => Ok(rows),
        _ => refuse("a positive integer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!(batch(1000, 0, 0).is_ok() && batch(1001, 0, 0).is_err());
        assert!(batch(900, 100, 1).is_err());
        assert!(
            at_most("key", &"é".repeat(250), KEY).is_ok()
                && at_most("key", &"k".repeat(251), KEY).is_err()
        );
        assert_eq!((cut("éab", 2), cut("é", 2)), ("éa", "é"));
        assert_eq!(page(None, RUNS_PAGE), Ok(1000));
        assert!(page(Some(0), RUNS_PAGE).is_err() && page(Some(50_001), RUNS_PAGE).is_err());
    }
}
