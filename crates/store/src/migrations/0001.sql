-- The first schema. Both databases take this text; @serial@ is each one's growing key.
-- Times are microseconds since 1970 in UTC, structures are JSON texts, digests sha256:<hex>.

CREATE TABLE projects (
    "name" TEXT PRIMARY KEY,
    "root" TEXT,
    "branch" TEXT,
    "created_at" BIGINT NOT NULL,
    "generation" BIGINT NOT NULL,
    "seen_commit" TEXT
);

CREATE TABLE applied_specs (
    "project" TEXT NOT NULL,
    "generation" BIGINT NOT NULL,
    "text" TEXT NOT NULL,
    "commit" TEXT,
    "applied_at" BIGINT NOT NULL,
    "by" TEXT NOT NULL,
    "resources" TEXT NOT NULL,
    PRIMARY KEY ("project", "generation")
);

CREATE TABLE events (
    "seq" @serial@,
    "project" TEXT,
    "at" BIGINT NOT NULL,
    "actor" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "before" TEXT,
    "after" TEXT
);
CREATE INDEX events_by_project ON events ("project", "seq");
CREATE INDEX events_by_subject ON events ("subject", "seq");

CREATE TABLE datasets (
    "project" TEXT NOT NULL,
    "dataset" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "profile" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "ingested_at" BIGINT NOT NULL,
    PRIMARY KEY ("project", "dataset", "digest")
);

CREATE TABLE runs (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "pipeline" TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    "commit" TEXT,
    "dirty" BIGINT NOT NULL,
    "snapshot" TEXT,
    "generation" BIGINT NOT NULL,
    "params" TEXT NOT NULL,
    "datasets" TEXT NOT NULL,
    "lock" TEXT,
    "state" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "started_at" BIGINT,
    "ended_at" BIGINT,
    "mlflow_run_id" TEXT,
    "spec" TEXT NOT NULL
);
CREATE INDEX runs_by_project ON runs ("project", "id");
CREATE INDEX runs_by_mlflow ON runs ("mlflow_run_id");
CREATE INDEX runs_active ON runs ("id") WHERE "state" IN ('queued', 'running', 'cancelling');

CREATE TABLE schedules (
    "project" TEXT NOT NULL,
    "pipeline" TEXT NOT NULL,
    "last_fired" BIGINT NOT NULL,
    PRIMARY KEY ("project", "pipeline")
);

CREATE TABLE steps (
    "run_id" TEXT NOT NULL REFERENCES runs ("id") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "attempt" BIGINT NOT NULL,
    "infra_attempts" BIGINT NOT NULL,
    "unit_id" TEXT,
    "cache_key" TEXT,
    "mlflow_run_id" TEXT,
    "outputs" TEXT NOT NULL,
    "metrics" TEXT NOT NULL,
    "cached_from" TEXT,
    "not_before" BIGINT,
    "started_at" BIGINT,
    "ended_at" BIGINT,
    "reason" TEXT NOT NULL,
    PRIMARY KEY ("run_id", "key")
);
CREATE INDEX steps_by_unit ON steps ("unit_id");

CREATE TABLE step_cache (
    "project" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "run_id" TEXT NOT NULL,
    "step_key" TEXT NOT NULL,
    "mlflow_run_id" TEXT,
    "outputs" TEXT NOT NULL,
    "metrics" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    PRIMARY KEY ("project", "key")
);

CREATE TABLE models (
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "description" TEXT NOT NULL,
    "tags" TEXT NOT NULL,
    PRIMARY KEY ("project", "name")
);

-- The highest number ever given to a version of the model, so that none is given twice.
CREATE TABLE model_counters (
    "project" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "last" BIGINT NOT NULL,
    PRIMARY KEY ("project", "model"),
    FOREIGN KEY ("project", "model") REFERENCES models ("project", "name") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE model_versions (
    "project" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "description" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "mlflow_run_id" TEXT,
    "mlflow_model_id" TEXT,
    "run_id" TEXT,
    "artifact" TEXT,
    "lineage" TEXT NOT NULL,
    "gate" TEXT NOT NULL,
    "signature" TEXT NOT NULL,
    "gate_state" TEXT NOT NULL,
    "stage" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "status_message" TEXT NOT NULL,
    "tags" TEXT NOT NULL,
    PRIMARY KEY ("project", "model", "version"),
    FOREIGN KEY ("project", "model") REFERENCES models ("project", "name") ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX model_versions_by_run ON model_versions ("mlflow_run_id");

CREATE TABLE model_aliases (
    "project" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "alias" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    PRIMARY KEY ("project", "model", "alias"),
    FOREIGN KEY ("project", "model", "version") REFERENCES model_versions ("project", "model", "version") ON DELETE CASCADE ON UPDATE CASCADE
);

-- Tags of models and versions once more, so that a search can look at them.
CREATE TABLE model_tags (
    "project" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("project", "model", "key"),
    FOREIGN KEY ("project", "model") REFERENCES models ("project", "name") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE version_tags (
    "project" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("project", "model", "version", "key"),
    FOREIGN KEY ("project", "model", "version") REFERENCES model_versions ("project", "model", "version") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE TABLE deployments (
    "project" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "version" BIGINT,
    "previous" BIGINT,
    "since" BIGINT NOT NULL,
    "rollout_id" TEXT,
    "reason" TEXT NOT NULL,
    "commit" TEXT,
    "shape" TEXT NOT NULL,
    "generation" BIGINT NOT NULL,
    "keep_previous_until" BIGINT,
    PRIMARY KEY ("project", "environment", "service")
);

CREATE TABLE rollouts (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "from" BIGINT,
    "to" BIGINT NOT NULL,
    "kind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "stage" BIGINT NOT NULL,
    "stage_started_at" BIGINT,
    "created_at" BIGINT NOT NULL,
    "ended_at" BIGINT,
    "by" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "policy" TEXT NOT NULL,
    "baseline" TEXT NOT NULL,
    "evidence" TEXT NOT NULL
);
CREATE INDEX rollouts_by_service ON rollouts ("project", "environment", "service", "id");
CREATE INDEX rollouts_active ON rollouts ("id") WHERE "state" IN ('pending', 'starting', 'running', 'paused');

CREATE TABLE verdicts (
    "rollout_id" TEXT NOT NULL REFERENCES rollouts ("id") ON DELETE CASCADE,
    "seq" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "stage" BIGINT NOT NULL,
    "decision" TEXT NOT NULL,
    "reasons" TEXT NOT NULL,
    "evidence" TEXT NOT NULL,
    PRIMARY KEY ("rollout_id", "seq")
);

CREATE TABLE alarms (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "monitor" TEXT NOT NULL,
    "raised_at" BIGINT NOT NULL,
    "cleared_at" BIGINT,
    "evidence" TEXT NOT NULL,
    "run_id" TEXT
);
CREATE INDEX alarms_by_service ON alarms ("project", "environment", "service", "id");

CREATE TABLE monitor_states (
    "project" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "monitor" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    PRIMARY KEY ("project", "environment", "service", "monitor")
);

CREATE TABLE join_routes (
    "id" @serial@,
    "name" TEXT NOT NULL UNIQUE,
    "repeated" BIGINT NOT NULL,
    "late" BIGINT NOT NULL
);

-- Predictions, and what is known of their label: joined_at is the label's arrival.
CREATE TABLE predictions (
    "route" BIGINT NOT NULL,
    "request_id" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "y" DOUBLE PRECISION,
    "event_at" BIGINT NOT NULL,
    "arrived_at" BIGINT NOT NULL,
    "joined_at" BIGINT,
    PRIMARY KEY ("route", "request_id")
);

CREATE INDEX predictions_by_arrival ON predictions ("route", "arrived_at");

-- Labels that came before their prediction.
CREATE TABLE labels (
    "route" BIGINT NOT NULL,
    "request_id" TEXT NOT NULL,
    "label" DOUBLE PRECISION,
    "event_at" BIGINT,
    "arrived_at" BIGINT NOT NULL,
    "within" BIGINT NOT NULL,
    PRIMARY KEY ("route", "request_id")
);

CREATE TABLE losses (
    "seq" @serial@,
    "route" BIGINT NOT NULL,
    "request_id" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "event_at" BIGINT NOT NULL,
    "predicted_at" BIGINT NOT NULL,
    "labelled_at" BIGINT NOT NULL,
    "prediction" DOUBLE PRECISION,
    "label" DOUBLE PRECISION
);
CREATE INDEX losses_by_route ON losses ("route", "seq");
CREATE INDEX losses_by_arrival ON losses ("route", "labelled_at");

CREATE TABLE log_offsets (
    "reader" TEXT PRIMARY KEY,
    "position" TEXT NOT NULL
);

CREATE TABLE tokens (
    "id" TEXT PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "project" TEXT,
    "created_at" BIGINT NOT NULL,
    "expires_at" BIGINT,
    "last_used" BIGINT
);

CREATE TABLE leases (
    "name" TEXT PRIMARY KEY,
    "holder" TEXT NOT NULL,
    "fencing" BIGINT NOT NULL,
    "expires_at" BIGINT NOT NULL
);

CREATE TABLE idempotency_keys (
    "key" TEXT PRIMARY KEY,
    "response" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL
);

CREATE TABLE experiments (
    "id" @serial@,
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "artifact_location" TEXT NOT NULL,
    "lifecycle" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    UNIQUE ("project", "name")
);

CREATE TABLE experiment_tags (
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("experiment", "key")
);

-- Runs carry a short number beside their id, which the many rows of a run use.
CREATE TABLE tracked_runs (
    "number" @serial@,
    "run_id" TEXT NOT NULL UNIQUE,
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id"),
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "start_time" BIGINT NOT NULL,
    "end_time" BIGINT,
    "artifact_uri" TEXT NOT NULL,
    "lifecycle" TEXT NOT NULL,
    "deleted_at" BIGINT,
    "parent" TEXT
);
CREATE INDEX tracked_runs_by_start ON tracked_runs ("experiment", "start_time" DESC, "run_id");
CREATE INDEX tracked_runs_by_parent ON tracked_runs ("parent");

CREATE TABLE run_params (
    "run" BIGINT NOT NULL REFERENCES tracked_runs ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("run", "key")
);

CREATE TABLE run_tags (
    "run" BIGINT NOT NULL REFERENCES tracked_runs ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("run", "key")
);

-- One series is one metric of one run, on one logged model and dataset if the client says so.
-- The last_… columns are the latest point: the largest step, then time, then value.
CREATE TABLE metric_series (
    "id" @serial@,
    "run" BIGINT NOT NULL REFERENCES tracked_runs ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "dataset_name" TEXT NOT NULL,
    "dataset_digest" TEXT NOT NULL,
    "last_value" DOUBLE PRECISION NOT NULL,
    "last_nan" BIGINT NOT NULL,
    "last_at" BIGINT NOT NULL,
    "last_step" BIGINT NOT NULL,
    UNIQUE ("run", "key", "model_id", "dataset_name", "dataset_digest")
);
CREATE INDEX metric_series_by_model ON metric_series ("model_id") WHERE "model_id" <> '';

-- NaN is kept as 0 with nan = 1: SQLite would turn it into NULL.
CREATE TABLE metric_points (
    "series" BIGINT NOT NULL REFERENCES metric_series ("id") ON DELETE CASCADE,
    "step" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "nan" BIGINT NOT NULL,
    PRIMARY KEY ("series", "at", "step", "value", "nan")
) @clustered@;

CREATE TABLE run_inputs (
    "run" BIGINT NOT NULL REFERENCES tracked_runs ("number") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "source_type" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "schema" TEXT,
    "profile" TEXT,
    "context" TEXT NOT NULL,
    "tags" TEXT NOT NULL,
    PRIMARY KEY ("run", "name", "digest")
);

CREATE TABLE run_outputs (
    "run" BIGINT NOT NULL REFERENCES tracked_runs ("number") ON DELETE CASCADE,
    "model_id" TEXT NOT NULL,
    "step" BIGINT NOT NULL,
    PRIMARY KEY ("run", "model_id")
);

CREATE TABLE logged_models (
    "model_id" TEXT PRIMARY KEY,
    "experiment_id" TEXT NOT NULL,
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "model_type" TEXT NOT NULL,
    "source_run_id" TEXT,
    "artifact_uri" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "status_message" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "tags" TEXT NOT NULL,
    "params" TEXT NOT NULL
);
CREATE INDEX logged_models_by_experiment ON logged_models ("experiment_id", "created_at" DESC, "model_id");

CREATE TABLE logged_model_tags (
    "model_id" TEXT NOT NULL REFERENCES logged_models ("model_id") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("model_id", "key")
);

CREATE TABLE logged_model_params (
    "model_id" TEXT NOT NULL REFERENCES logged_models ("model_id") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("model_id", "key")
);

CREATE TABLE artifacts (
    "project" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    PRIMARY KEY ("project", "path")
);
