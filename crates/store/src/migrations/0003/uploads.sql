-- Uploads in parts that are not complete, and for a while those that are.
CREATE TABLE uploads (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "parts" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "digest" TEXT
);
CREATE INDEX uploads_by_age ON uploads ("created_at");
CREATE TABLE upload_parts (
    "upload" TEXT NOT NULL,
    "number" BIGINT NOT NULL,
    "digest" TEXT NOT NULL,
    "size" BIGINT NOT NULL,
    PRIMARY KEY ("upload", "number")
);
