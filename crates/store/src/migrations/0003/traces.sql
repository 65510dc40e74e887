-- GenAI traces: their spans, tags, metadata and assessments.
-- Traces carry a short number beside their id, which a client makes and two projects may have both.
CREATE TABLE traces (
    "number" @serial@,
    "project" TEXT NOT NULL,
    "trace_id" TEXT NOT NULL,
    "experiment" BIGINT NOT NULL REFERENCES experiments ("id"),
    "request_time" BIGINT NOT NULL,
    "duration" BIGINT,
    "state" TEXT NOT NULL,
    "client_request_id" TEXT,
    "request_preview" TEXT,
    "response_preview" TEXT,
    UNIQUE ("project", "trace_id")
);
CREATE INDEX traces_by_time ON traces ("experiment", "request_time" DESC, "trace_id");

CREATE TABLE trace_tags (
    "trace" BIGINT NOT NULL REFERENCES traces ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("trace", "key")
) @clustered@;

CREATE TABLE trace_metadata (
    "trace" BIGINT NOT NULL REFERENCES traces ("number") ON DELETE CASCADE,
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    PRIMARY KEY ("trace", "key")
) @clustered@;
CREATE INDEX trace_metadata_sessions ON trace_metadata ("value", "trace") WHERE "key" = 'mlflow.trace.session';

-- Times are nanoseconds since 1970 here, as OpenTelemetry has them; content is the whole span as a text.
CREATE TABLE trace_spans (
    "trace" BIGINT NOT NULL REFERENCES traces ("number") ON DELETE CASCADE,
    "span_id" TEXT NOT NULL,
    "parent_id" TEXT,
    "name" TEXT NOT NULL,
    "kind" TEXT,
    "status" TEXT NOT NULL,
    "started" BIGINT NOT NULL,
    "ended" BIGINT,
    "model" TEXT,
    "provider" TEXT,
    "input_cost" DOUBLE PRECISION,
    "output_cost" DOUBLE PRECISION,
    "total_cost" DOUBLE PRECISION,
    "content" TEXT NOT NULL,
    PRIMARY KEY ("trace", "span_id")
);

CREATE TABLE assessments (
    "trace" BIGINT NOT NULL REFERENCES traces ("number") ON DELETE CASCADE,
    "assessment_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "number" DOUBLE PRECISION,
    "numeric" BIGINT NOT NULL,
    "error" TEXT,
    "rationale" TEXT,
    "source_type" TEXT NOT NULL,
    "source_id" TEXT,
    "span_id" TEXT,
    "overrides" TEXT,
    "valid" BIGINT NOT NULL,
    "of_session" BIGINT NOT NULL,
    "metadata" TEXT NOT NULL,
    "created_at" BIGINT NOT NULL,
    "updated_at" BIGINT NOT NULL,
    PRIMARY KEY ("trace", "assessment_id")
);
CREATE INDEX assessments_by_name ON assessments ("name", "kind", "trace");

-- Links to runs and to versions of prompts. What is linked need not be there yet.
CREATE TABLE trace_links (
    "project" TEXT NOT NULL,
    "trace_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    PRIMARY KEY ("project", "trace_id", "kind", "target")
) @clustered@;
CREATE INDEX trace_links_by_target ON trace_links ("project", "kind", "target", "trace_id");

