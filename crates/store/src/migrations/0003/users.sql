-- Users with a password, and what they may do.
CREATE TABLE users (
    "id" @serial@,
    "name" TEXT NOT NULL UNIQUE,
    "hash" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "project" TEXT,
    "admin" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL
);
