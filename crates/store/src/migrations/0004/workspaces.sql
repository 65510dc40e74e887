-- Projects that were made as workspaces of MLflow, and what was said of others.
CREATE TABLE workspaces (
    "project" TEXT PRIMARY KEY,
    "description" TEXT,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);

