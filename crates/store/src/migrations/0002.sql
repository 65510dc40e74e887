-- A lease is alive while its beat goes on; no clock is compared. None was ever taken before.
DROP TABLE leases;
CREATE TABLE leases (
    "name" TEXT PRIMARY KEY,
    "holder" TEXT NOT NULL,
    "fencing" BIGINT NOT NULL,
    "beat" BIGINT NOT NULL
);

-- What all servers of one store must have in common.
CREATE TABLE agreements (
    "name" TEXT PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- Of each branch that is followed, the newest commit that was dealt with.
CREATE TABLE seen_commits (
    "project" TEXT NOT NULL,
    "branch" TEXT NOT NULL,
    "commit" TEXT NOT NULL,
    PRIMARY KEY ("project", "branch")
);
INSERT INTO seen_commits ("project", "branch", "commit")
    SELECT "name", "branch", "seen_commit" FROM projects WHERE "branch" IS NOT NULL AND "seen_commit" IS NOT NULL;
ALTER TABLE projects DROP COLUMN "seen_commit";
