-- Evaluation datasets with their records, and registered scorers.
CREATE TABLE evaluation_datasets (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "schema" TEXT,
    "profile" TEXT,
    "tags" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "created_by" TEXT,
    "updated_by" TEXT
);
CREATE INDEX evaluation_datasets_by_project ON evaluation_datasets ("project", "created_at" DESC, "id" DESC);

CREATE TABLE evaluation_dataset_tags (
    "dataset" TEXT NOT NULL REFERENCES evaluation_datasets ("id") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("dataset", "key")
);

-- What a client says it belongs to; an experiment need not exist.
CREATE TABLE evaluation_dataset_experiments (
    "dataset" TEXT NOT NULL REFERENCES evaluation_datasets ("id") ON DELETE CASCADE,
    "experiment" TEXT NOT NULL,
    PRIMARY KEY ("dataset", "experiment")
);
CREATE INDEX evaluation_datasets_by_experiment ON evaluation_dataset_experiments ("experiment");

CREATE TABLE evaluation_records (
    "dataset" TEXT NOT NULL REFERENCES evaluation_datasets ("id") ON DELETE CASCADE,
    "id" TEXT NOT NULL,
    "inputs_digest" TEXT NOT NULL,
    "inputs" TEXT NOT NULL,
    "outputs" TEXT,
    "expectations" TEXT,
    "tags" TEXT NOT NULL,
    "source" TEXT,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    "created_by" TEXT,
    "updated_by" TEXT,
    PRIMARY KEY ("dataset", "id"),
    UNIQUE ("dataset", "inputs_digest")
);
CREATE INDEX evaluation_records_by_time ON evaluation_records ("dataset", "created_at", "id");

CREATE TABLE scorers (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    UNIQUE ("experiment", "name")
);

CREATE TABLE scorer_versions (
    "scorer" TEXT NOT NULL REFERENCES scorers ("id") ON DELETE CASCADE,
    "version" BIGINT NOT NULL,
    "serialized" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    PRIMARY KEY ("scorer", "version")
);

CREATE TABLE online_scoring (
    "scorer" TEXT PRIMARY KEY REFERENCES scorers ("id") ON DELETE CASCADE,
    "id" TEXT NOT NULL,
    "sample_rate" DOUBLE PRECISION NOT NULL,
    "filter" TEXT
);

