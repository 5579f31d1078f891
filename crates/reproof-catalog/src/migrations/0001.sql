-- Every row ends in a check sum over its values: see docs/formats/catalog.md.

-- What each step produced. One row for each different result of a key.
CREATE TABLE step_results (
    key       TEXT NOT NULL,
    operation TEXT NOT NULL,
    inputs    TEXT NOT NULL,              -- JSON: name to artifact
    outputs   TEXT NOT NULL,              -- JSON: name to artifact and manifest
    created   INTEGER NOT NULL,           -- microseconds since 1970
    result    TEXT NOT NULL,              -- digest of the outputs' artifacts
    sum       INTEGER NOT NULL,
    PRIMARY KEY (key, result)
) STRICT, WITHOUT ROWID;

-- Lineage: the artifacts that steps produced and used.
CREATE TABLE step_artifacts (
    key       TEXT NOT NULL,
    operation TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    artifact  TEXT NOT NULL,
    direction TEXT NOT NULL,              -- input or output
    sum       INTEGER NOT NULL,
    PRIMARY KEY (artifact, direction, key, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
    id      TEXT PRIMARY KEY,
    recipe  TEXT NOT NULL,
    results TEXT NOT NULL,
    created INTEGER NOT NULL,
    sum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_recipe ON records (recipe, created);

CREATE TABLE executions (
    id       TEXT PRIMARY KEY,            -- UUID of version 7: sorts by time
    document TEXT NOT NULL,               -- JSON: the execution
    tail     TEXT NOT NULL,               -- its ID's last 12 digits
    kind     TEXT NOT NULL,
    status   TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    code     TEXT,                        -- the commit
    lock     TEXT,                        -- the lock file's digest
    recipe   TEXT,
    record   TEXT,                        -- produced or verified
    sum      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_by_tail ON executions (tail);
CREATE INDEX executions_by_pipeline ON executions (pipeline, id);
CREATE INDEX executions_by_record ON executions (record, id);
CREATE INDEX executions_by_recipe ON executions (recipe, id);
CREATE INDEX executions_by_code ON executions (code, id);
CREATE INDEX executions_by_lock ON executions (lock, id);

CREATE TABLE execution_steps (
    execution TEXT NOT NULL,
    step      TEXT NOT NULL,
    key       TEXT,                       -- null if it never had all its inputs
    status    TEXT NOT NULL,
    sum       INTEGER NOT NULL,
    PRIMARY KEY (execution, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX execution_steps_by_key ON execution_steps (key, execution);

-- The data versions that executions read.
CREATE TABLE data_versions (
    version TEXT NOT NULL,
    source  TEXT NOT NULL,
    created INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (version, source)
) STRICT, WITHOUT ROWID;

-- Derived: what was seen of files when they were hashed. May be deleted at any time.
CREATE TABLE blob_facts (
    blob      TEXT PRIMARY KEY,
    facts     TEXT NOT NULL,              -- JSON
    hashed_at INTEGER NOT NULL,
    sum       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE file_digests (
    path      TEXT PRIMARY KEY,
    facts     TEXT NOT NULL,              -- JSON
    hashed_at INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    sum       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sources (
    key      TEXT PRIMARY KEY,
    snapshot TEXT NOT NULL,               -- JSON
    sum      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
