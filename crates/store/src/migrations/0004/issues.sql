-- Issues of experiments. Which traces one shows in is said by assessments that have its id for a name.
CREATE TABLE issues (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id") ON DELETE CASCADE,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "severity" TEXT,
    "root_causes" TEXT NOT NULL,
    "categories" TEXT NOT NULL,
    "source_run" TEXT REFERENCES tracked_runs ("run_id") ON DELETE SET NULL,
    "created_by" TEXT,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);
CREATE INDEX issues_by_project ON issues ("project", "created_at" DESC, "id" DESC);
CREATE INDEX issues_by_experiment ON issues ("experiment");
CREATE INDEX issues_by_run ON issues ("source_run") WHERE "source_run" IS NOT NULL;

