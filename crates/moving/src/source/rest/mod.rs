//! A running server, asked through MLflow's REST protocol only.

mod evaluation;
mod files;
mod traces;

use super::{Named, Page, Place, Source, Trace, is_prompt};
use crate::{
    error::{Error, Result},
    http::Http,
};
use mlflow::{
    artifacts::File,
    evaluation_datasets::{Dataset, Record},
    experiments::{self, Experiment},
    logged_models::{self, LoggedModel},
    registry::{ModelVersion, RegisteredModel},
    runs::{self, Metric, Run},
    scorers::Scorer,
    webhooks::Webhook,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read;

pub(crate) use evaluation::API_3;

/// Where MLflow's protocol begins.
pub(crate) const API: &str = "/api/2.0/mlflow";
/// How many points one answer brings.
const POINTS: &str = "25000";
/// The filter that finds prompts, which other searches hide.
const PROMPTS: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";

/// A server.
#[derive(Debug)]
pub struct Server {
    http: Http,
}

impl Server {
    /// A server that answers.
    ///
    /// # Errors
    /// When it does not, or is none of MLflow's protocol.
    pub fn new(http: Http) -> Result<Self> {
        let first: Result<Value> = http.post(
            &format!("{API}/experiments/search"),
            &json!({ "max_results": 1 }),
        );
        match first {
            Err(error) if error.is_missing() => Err(Error::Usage(format!(
                "{} is no MLflow server: {error}",
                http.address()
            ))),
            Err(error) => Err(error),
            Ok(_) => Ok(Server { http }),
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Models {
    registered_models: Vec<RegisteredModel>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Versions {
    model_versions: Vec<ModelVersion>,
    next_page_token: Option<String>,
}

/// A page token; servers write an empty one in place of none.
fn next(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

impl Source for Server {
    fn experiments(&mut self, after: Option<&str>) -> Result<Page<Experiment>> {
        let asked = json!({
            "max_results": 1000,
            "view_type": "ALL",
            "page_token": after,
            "order_by": ["experiment_id ASC"],
        });
        let found: experiments::Found = self
            .http
            .post(&format!("{API}/experiments/search"), &asked)?;
        Ok(Page {
            items: found.experiments,
            next: next(found.next_page_token),
        })
    }

    fn runs(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Run>> {
        let asked = json!({
            "experiment_ids": [experiment],
            "max_results": 200,
            "run_view_type": "ALL",
            "page_token": after,
            "order_by": ["attributes.start_time ASC"],
        });
        let found: runs::Found = self.http.post(&format!("{API}/runs/search"), &asked)?;
        Ok(Page {
            items: found.runs,
            next: next(found.next_page_token),
        })
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        for metric in &run.data.metrics {
            let mut token = String::new();
            loop {
                let query = [
                    ("run_id", run.info.run_id.as_str()),
                    ("metric_key", metric.key.as_str()),
                    ("max_results", POINTS),
                    ("page_token", token.as_str()),
                ];
                let asked = if token.is_empty() {
                    &query[..3]
                } else {
                    &query
                };
                let found: runs::Points = self
                    .http
                    .get(&format!("{API}/metrics/get-history"), asked)?;
                each(found.metrics)?;
                match next(found.next_page_token) {
                    Some(next) => token = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn logged_models(
        &mut self,
        experiment: &str,
        after: Option<&str>,
    ) -> Result<Page<LoggedModel>> {
        let asked =
            json!({ "experiment_ids": [experiment], "max_results": 50, "page_token": after });
        let found: logged_models::Found = self
            .http
            .post(&format!("{API}/logged-models/search"), &asked)?;
        Ok(Page {
            items: found.models,
            next: next(found.next_page_token),
        })
    }

    /// Models first, and prompts after them: `p` and a token ask for these.
    fn models(&mut self, after: Option<&str>) -> Result<Page<Named>> {
        let (prompts, token) = match after.and_then(|after| after.split_at_checked(1)) {
            Some(("p", token)) => (true, token),
            Some((_, token)) => (false, token),
            None => (false, ""),
        };
        let mut query = vec![("max_results", "1000")];
        query.extend(prompts.then_some(("filter", PROMPTS)));
        query.extend((!token.is_empty()).then_some(("page_token", token)));
        let found: Models = self
            .http
            .get(&format!("{API}/registered-models/search"), &query)?;
        let kind = if prompts { "p" } else { "m" };
        let more = next(found.next_page_token).map(|token| format!("{kind}{token}"));
        let named = found.registered_models.into_iter().map(|model| Named {
            model,
            last_version: None,
        });
        Ok(Page {
            items: named.collect(),
            next: more.or((!prompts).then(|| "p".to_owned())),
        })
    }

    fn versions(
        &mut self,
        model: &RegisteredModel,
        after: Option<&str>,
    ) -> Result<Page<ModelVersion>> {
        let name = &model.name;
        let quote = if name.contains('\'') { '"' } else { '\'' };
        let mut filter = format!("name = {quote}{name}{quote}");
        if is_prompt(model) {
            filter = format!("{filter} AND {PROMPTS}");
        }
        let mut query = vec![
            ("filter", filter.as_str()),
            ("max_results", "1000"),
            ("order_by", "version_number ASC"),
        ];
        query.extend(after.map(|token| ("page_token", token)));
        let found: Versions = self
            .http
            .get(&format!("{API}/model-versions/search"), &query)?;
        Ok(Page {
            items: found.model_versions,
            next: next(found.next_page_token),
        })
    }

    fn traces(&mut self, experiment: &str, after: Option<&str>) -> Result<Page<Trace>> {
        traces::page(&self.http, experiment, after)
    }

    fn evaluation_datasets(&mut self, after: Option<&str>) -> Result<Page<Dataset>> {
        evaluation::datasets(&self.http, after)
    }

    fn evaluation_records(&mut self, dataset: &str, after: Option<&str>) -> Result<Page<Record>> {
        evaluation::records(&self.http, dataset, after)
    }

    fn scorers(&mut self, experiment: &str) -> Result<Vec<Scorer>> {
        evaluation::scorers(&self.http, experiment)
    }

    fn webhooks(&mut self, after: Option<&str>) -> Result<Page<Webhook>> {
        evaluation::webhooks(&self.http, after)
    }

    fn files(&mut self, place: &Place) -> Result<Vec<File>> {
        files::all(&self.http, place)
    }

    fn open(&mut self, place: &Place, path: &str) -> Result<Box<dyn Read + Send>> {
        files::open(&self.http, place, path)
    }
}
