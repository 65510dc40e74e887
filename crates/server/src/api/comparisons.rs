//! Comparisons of two versions' answers that people ask for: a wish, and a look at how far it is.

use super::rollouts::last_environment;
use crate::{
    app::App,
    compare::{Asked, Refused, Shown, Unfit, of_lines, pair},
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, Path, State},
    routing::{get, post},
};
use compare::{Options, Tolerance};
use guard::Permission;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest body: rows that are asked for are in it.
const LIMIT: usize = 64 << 20;
/// Requests that are asked where nobody says how many, and at the most.
const USUAL: usize = 2000;
const MOST: usize = 100_000;
/// Rows that a report shows at the most.
const WORST: usize = 1000;

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}/comparisons";
    routes
        .add(
            Method::POST,
            base,
            Permission::Execute,
            "Compare two versions' answers to the same requests",
            post(ask).layer(DefaultBodyLimit::max(LIMIT)),
        )
        .add(
            Method::GET,
            &format!("{base}/{{comparison}}"),
            Permission::Read,
            "How far a comparison is, and what it found",
            get(look),
        )
}

/// Which versions, on what.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    model: String,
    /// A version or an alias; the one that serves when left out.
    #[serde(default)]
    before: Option<String>,
    /// A version or an alias.
    after: String,
    /// Whose requests; the last environment when left out.
    #[serde(default)]
    environment: Option<String>,
    /// Whose requests; the only service of the model there when left out.
    #[serde(default)]
    service: Option<String>,
    /// Bodies to ask in place of captured requests.
    #[serde(default)]
    rows: Option<Vec<String>>,
    /// How many requests at the most.
    #[serde(default)]
    most: Option<usize>,
    /// What counts as changed.
    #[serde(default)]
    absolute: Option<f64>,
    #[serde(default)]
    relative: Option<f64>,
    /// How many of the rows that change most are shown.
    #[serde(default)]
    worst: Option<usize>,
}

/// How far a comparison is.
#[derive(Debug, Default, Serialize)]
struct ComparisonAnswer {
    id: String,
    /// `waiting`, `running`, `done` or `failed`.
    state: &'static str,
    /// What is done at the moment, or why it failed.
    message: String,
    /// Requests that were compared, and how many there are.
    done: usize,
    of: usize,
    /// What was found.
    comparison: Option<Value>,
    /// The same as people read it.
    text: String,
}

async fn ask(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<ComparisonAnswer>), ApiError> {
    let project = caller.project().to_owned();
    let environment = match wish.environment.clone() {
        Some(named) => named,
        None => last_environment(&app, &project).await?,
    };
    let most = wish.most.unwrap_or(USUAL).clamp(1, MOST);
    let options = options(&wish)?;
    let rows = match &wish.rows {
        None => None,
        Some(rows) => {
            let rows = of_lines(rows, most);
            if rows.requests.is_empty() {
                let why = "none of the rows is a request: a line is a JSON object, as for `mainspan predict`, or a body of another protocol";
                return Err(ApiError::invalid(why));
            }
            Some(rows)
        }
    };
    let found = app.store().read(move |tx| {
        let (model, service) = (&*wish.model, wish.service.as_deref());
        let versions = (wish.before.as_deref(), &*wish.after);
        Ok(pair(tx, (&project, &environment, model), service, versions))
    });
    let asked = Asked {
        pair: found.await??,
        rows,
        most,
        options,
    };
    let id = uuid::Uuid::now_v7().to_string();
    app.desk().ask(id.clone(), asked).map_err(|refused| {
        let code = match refused {
            Refused::Full => "busy",
            Refused::Closed => "elsewhere",
        };
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, refused.to_string())
    })?;
    let answer = ComparisonAnswer {
        id,
        state: "waiting",
        ..ComparisonAnswer::default()
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

fn options(wish: &Wish) -> Result<Options, ApiError> {
    let usual = Options::default();
    let tolerance = Tolerance {
        absolute: wish.absolute.unwrap_or(usual.tolerance.absolute),
        relative: wish.relative.unwrap_or(usual.tolerance.relative),
    };
    if [tolerance.absolute, tolerance.relative]
        .iter()
        .any(|bound| !bound.is_finite() || *bound < 0.0)
    {
        return Err(ApiError::invalid("a tolerance is a number from 0 up"));
    }
    Ok(Options {
        tolerance,
        worst: wish.worst.unwrap_or(usual.worst).min(WORST),
    })
}

async fn look(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<ComparisonAnswer>, ApiError> {
    let shown = app.desk().shown(caller.project(), &id).ok_or_else(|| {
        ApiError::not_found(format!(
            "no comparison `{id}` is remembered here: ask for it again"
        ))
    })?;
    let answer = ComparisonAnswer {
        id,
        ..ComparisonAnswer::default()
    };
    Ok(Json(match shown {
        Shown::Waiting => ComparisonAnswer {
            state: "waiting",
            ..answer
        },
        Shown::Running(progress) => ComparisonAnswer {
            state: "running",
            message: progress.step,
            done: progress.done,
            of: progress.of,
            ..answer
        },
        Shown::Done(compared) => ComparisonAnswer {
            state: "done",
            text: compared.text(),
            comparison: serde_json::to_value(&*compared).ok(),
            ..answer
        },
        Shown::Failed(why) => ComparisonAnswer {
            state: "failed",
            message: why,
            ..answer
        },
    }))
}

impl From<Unfit> for ApiError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Missing(why) => ApiError::not_found(why),
            Unfit::Never(why) => ApiError::conflict(why),
            Unfit::Store(error) => error.into(),
        }
    }
}
