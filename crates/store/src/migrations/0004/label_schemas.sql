-- What reviewers are asked about the traces of an experiment.
CREATE TABLE label_schemas (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "instruction" TEXT,
    "comment" BIGINT NOT NULL,
    "input" TEXT NOT NULL,
    "is_default" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    UNIQUE ("experiment", "name")
);

