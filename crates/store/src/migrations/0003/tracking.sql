-- Tracked runs as searches and floods of metrics want them: labels and metrics can be found by their value, and nothing
-- is written twice. A series carries its experiment, and `current` is 1 for the one of a run's metric that has the latest
-- point of all. Points have no foreign key, which would be looked up for each of them: who removes a run removes them.
-- @sqlite
-- The tables are made anew, since SQLite cannot change their keys. What refers to others goes first.
CREATE TABLE new_tracked_runs (
    "number" INTEGER PRIMARY KEY,
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
INSERT INTO new_tracked_runs
    SELECT "number", "run_id", "experiment", "project", "name", "user_id", "status", "start_time", "end_time", "artifact_uri", "lifecycle", "deleted_at", "parent"
    FROM tracked_runs;
CREATE TABLE new_run_params (
    "run" BIGINT NOT NULL REFERENCES new_tracked_runs ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("run", "key")
) WITHOUT ROWID;
INSERT INTO new_run_params SELECT "run", "key", "value" FROM run_params;
CREATE TABLE new_run_tags (
    "run" BIGINT NOT NULL REFERENCES new_tracked_runs ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("run", "key")
) WITHOUT ROWID;
INSERT INTO new_run_tags SELECT "run", "key", "value" FROM run_tags;
CREATE TABLE new_metric_series (
    "id" INTEGER PRIMARY KEY,
    "run" BIGINT NOT NULL REFERENCES new_tracked_runs ("number") ON DELETE CASCADE,
    "experiment" BIGINT NOT NULL,
    "key" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "dataset_name" TEXT NOT NULL,
    "dataset_digest" TEXT NOT NULL,
    "last_value" DOUBLE PRECISION NOT NULL,
    "last_nan" BIGINT NOT NULL,
    "last_at" BIGINT NOT NULL,
    "last_step" BIGINT NOT NULL,
    "current" BIGINT NOT NULL,
    UNIQUE ("run", "key", "model_id", "dataset_name", "dataset_digest")
);
INSERT INTO new_metric_series
    SELECT m."id", m."run", r."experiment", m."key", m."model_id", m."dataset_name", m."dataset_digest", m."last_value", m."last_nan", m."last_at", m."last_step",
        ROW_NUMBER() OVER (PARTITION BY m."run", m."key" ORDER BY m."last_step" DESC, m."last_at" DESC, m."last_value" DESC, m."id") = 1
    FROM metric_series m JOIN tracked_runs r ON r."number" = m."run";
CREATE TABLE new_metric_points (
    "series" BIGINT NOT NULL,
    "step" BIGINT NOT NULL,
    "at" BIGINT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "nan" BIGINT NOT NULL,
    PRIMARY KEY ("series", "at", "step", "value", "nan")
) WITHOUT ROWID;
INSERT INTO new_metric_points SELECT "series", "step", "at", "value", "nan" FROM metric_points;
CREATE TABLE new_run_inputs (
    "run" BIGINT NOT NULL REFERENCES new_tracked_runs ("number") ON DELETE CASCADE,
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
INSERT INTO new_run_inputs SELECT "run", "name", "digest", "source_type", "source", "schema", "profile", "context", "tags" FROM run_inputs;
CREATE TABLE new_run_outputs (
    "run" BIGINT NOT NULL REFERENCES new_tracked_runs ("number") ON DELETE CASCADE,
    "model_id" TEXT NOT NULL,
    "step" BIGINT NOT NULL,
    PRIMARY KEY ("run", "model_id")
) WITHOUT ROWID;
INSERT INTO new_run_outputs SELECT "run", "model_id", "step" FROM run_outputs;
DROP TABLE metric_points;
DROP TABLE metric_series;
DROP TABLE run_params;
DROP TABLE run_tags;
DROP TABLE run_inputs;
DROP TABLE run_outputs;
DROP TABLE tracked_runs;
ALTER TABLE new_tracked_runs RENAME TO tracked_runs;
ALTER TABLE new_run_params RENAME TO run_params;
ALTER TABLE new_run_tags RENAME TO run_tags;
ALTER TABLE new_metric_series RENAME TO metric_series;
ALTER TABLE new_metric_points RENAME TO metric_points;
ALTER TABLE new_run_inputs RENAME TO run_inputs;
ALTER TABLE new_run_outputs RENAME TO run_outputs;
CREATE INDEX tracked_runs_by_start ON tracked_runs ("experiment", "start_time" DESC, "run_id");
-- @postgres
DROP INDEX tracked_runs_by_parent;
DROP INDEX metric_series_by_model;
ALTER TABLE metric_points DROP CONSTRAINT metric_points_series_fkey;
ALTER TABLE metric_series ADD COLUMN "experiment" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE metric_series ADD COLUMN "current" BIGINT NOT NULL DEFAULT 0;
UPDATE metric_series SET "experiment" = (SELECT r."experiment" FROM tracked_runs r WHERE r."number" = metric_series."run");
UPDATE metric_series SET "current" = 1 WHERE "id" IN (
    SELECT l."id" FROM (
        SELECT m."id", ROW_NUMBER() OVER (PARTITION BY m."run", m."key" ORDER BY m."last_step" DESC, m."last_at" DESC, m."last_value" DESC, m."id") AS place
        FROM metric_series m
    ) l WHERE l.place = 1
);
-- @both
CREATE INDEX tracked_runs_by_parent ON tracked_runs ("parent") WHERE "parent" IS NOT NULL;
CREATE INDEX metric_series_by_model ON metric_series ("model_id") WHERE "model_id" <> '';
CREATE INDEX metric_series_by_value ON metric_series ("experiment", "key", "last_nan", "last_value", "run") WHERE "current" = 1;
-- Values may be long, and the beginning tells most of them apart. Clients set the tags of mlflow.… on every run.
CREATE INDEX run_params_by_value ON run_params ("key", substr("value", 1, 64));
CREATE INDEX run_tags_by_value ON run_tags ("key", substr("value", 1, 64)) WHERE substr("key", 1, 7) <> 'mlflow.';
