-- Webhooks and what is still to be delivered. A secret is kept sealed.
CREATE TABLE webhooks (
    "id" TEXT PRIMARY KEY,
    "project" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "description" TEXT NOT NULL,
    "events" TEXT NOT NULL,
    "secret" TEXT,
    "active" BIGINT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL
);
CREATE INDEX webhooks_by_project ON webhooks ("project", "created_at" DESC, "id" DESC);

CREATE TABLE deliveries (
    "seq" @serial@,
    "id" TEXT NOT NULL,
    "webhook" TEXT NOT NULL REFERENCES webhooks ("id") ON DELETE CASCADE,
    "event" TEXT NOT NULL,
    "data" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "attempts" BIGINT NOT NULL,
    "tried_at" BIGINT,
    "not_before" BIGINT
);
CREATE INDEX deliveries_by_webhook ON deliveries ("webhook", "seq");

