-- What each step produced. One row for each different result of a key.
CREATE TABLE step_results (
    key       TEXT NOT NULL,
    result    TEXT NOT NULL,              -- digest of the outputs' artifacts
    operation TEXT NOT NULL,
    outputs   TEXT NOT NULL,              -- JSON: name to artifact and manifest
    inputs    TEXT NOT NULL,              -- JSON: name to artifact
    created   INTEGER NOT NULL,           -- microseconds since 1970
    PRIMARY KEY (key, result)
) WITHOUT ROWID;

-- Lineage: the artifacts that steps produced and used.
CREATE TABLE step_artifacts (
    artifact  TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('input', 'output')),
    key       TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    operation TEXT NOT NULL,
    PRIMARY KEY (artifact, direction, key, name)
) WITHOUT ROWID;

CREATE TABLE records (
    id      TEXT PRIMARY KEY,
    recipe  TEXT NOT NULL,
    results TEXT NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX records_by_recipe ON records (recipe, created);

CREATE TABLE executions (
    id       TEXT PRIMARY KEY,            -- UUID of version 7: sorts by time
    tail     TEXT NOT NULL,               -- its last 12 digits
    kind     TEXT NOT NULL,
    status   TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    commit_id TEXT,
    lock     TEXT,
    recipe   TEXT,
    record   TEXT,                        -- produced or verified
    document TEXT NOT NULL                -- JSON: the execution
) WITHOUT ROWID;
CREATE INDEX executions_by_tail ON executions (tail);
CREATE INDEX executions_by_pipeline ON executions (pipeline, id);
CREATE INDEX executions_by_record ON executions (record, id);
CREATE INDEX executions_by_recipe ON executions (recipe, id);

-- The data versions that executions read.
CREATE TABLE data_versions (
    version TEXT PRIMARY KEY,
    source  TEXT NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;

-- Derived: what was seen of files when they were hashed. May be deleted at any time.
CREATE TABLE blob_facts (
    blob      TEXT PRIMARY KEY,
    facts     TEXT NOT NULL,
    hashed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE file_digests (
    path      TEXT PRIMARY KEY,
    facts     TEXT NOT NULL,
    hashed_at INTEGER NOT NULL,
    digest    TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sources (
    key      TEXT PRIMARY KEY,
    snapshot TEXT NOT NULL
) WITHOUT ROWID;
