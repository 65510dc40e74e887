-- Copies from and to other servers.

-- What was copied in, as it was then: a record that still reads so was not changed here since.
CREATE TABLE moved (
    "project" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "moved_at" BIGINT NOT NULL,
    PRIMARY KEY ("project", "kind", "id")
);
