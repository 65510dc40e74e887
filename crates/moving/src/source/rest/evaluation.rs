//! Evaluation datasets, scorers and webhooks of a server. An older one has no endpoints for some of them, and so none.

use super::{API, next};
use crate::{
    error::{Error, Result},
    http::{Http, escape},
    source::Page,
};
use mlflow::{
    evaluation_datasets::{Dataset, Record},
    scorers::Scorer,
    webhooks::Webhook,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

/// Where what came with MLflow 3 begins.
pub(crate) const API_3: &str = "/api/3.0/mlflow";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Datasets {
    datasets: Vec<Dataset>,
    next_page_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Homes {
    experiment_ids: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Records {
    /// JSON of a list of records.
    records: String,
    next_page_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scorers {
    scorers: Vec<Scorer>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Webhooks {
    webhooks: Vec<Webhook>,
    next_page_token: Option<String>,
}

/// The answer, or an empty one from a server that does not know the question.
fn known<T: DeserializeOwned + Default>(answer: Result<T>) -> Result<T> {
    match answer {
        Err(error) if error.is_missing() => Ok(T::default()),
        other => other,
    }
}

pub(super) fn datasets(http: &Http, after: Option<&str>) -> Result<Page<Dataset>> {
    let asked =
        json!({ "max_results": 100, "page_token": after, "order_by": ["created_time ASC"] });
    let mut found: Datasets = known(http.post(&format!("{API_3}/datasets/search"), &asked))?;
    for dataset in &mut found.datasets {
        let id = escape(&dataset.dataset_id);
        let homes: Homes = http.get(&format!("{API_3}/datasets/{id}/experiment-ids"), &[])?;
        dataset.experiment_ids = homes.experiment_ids;
    }
    Ok(Page {
        items: found.datasets,
        next: next(found.next_page_token),
    })
}

pub(super) fn records(http: &Http, dataset: &str, after: Option<&str>) -> Result<Page<Record>> {
    let mut query = vec![("max_results", "1000")];
    query.extend(after.map(|token| ("page_token", token)));
    let path = format!("{API_3}/datasets/{}/records", escape(dataset));
    let found: Records = http.get(&path, &query)?;
    let items = match found.records.as_str() {
        "" => Vec::new(),
        text => serde_json::from_str(text)
            .map_err(|error| Error::shape(format!("the answer to GET {path}"), error))?,
    };
    Ok(Page {
        items,
        next: next(found.next_page_token),
    })
}

/// A server shows the newest version of each scorer, and all versions of one.
pub(super) fn scorers(http: &Http, experiment: &str) -> Result<Vec<Scorer>> {
    // Of a deleted experiment it shows none when it is asked for several.
    let query = [("experiment_ids", experiment)];
    let newest: Scorers = known(http.get(&format!("{API_3}/scorers/list"), &query))?;
    let mut all = Vec::new();
    for one in newest.scorers {
        let query = [
            ("experiment_id", experiment),
            ("name", one.scorer_name.as_str()),
        ];
        let versions: Scorers = http.get(&format!("{API_3}/scorers/versions"), &query)?;
        all.extend(versions.scorers);
    }
    Ok(all)
}

pub(super) fn webhooks(http: &Http, after: Option<&str>) -> Result<Page<Webhook>> {
    let mut query = vec![("max_results", "100")];
    query.extend(after.map(|token| ("page_token", token)));
    let found: Webhooks = known(http.get(&format!("{API}/webhooks"), &query))?;
    Ok(Page {
        items: found.webhooks,
        next: next(found.next_page_token),
    })
}
