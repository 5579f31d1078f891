-- Contents of versions of named data whose documents came without their bytes: a remote has those.
CREATE TABLE data_elsewhere (
    content TEXT PRIMARY KEY,
    sum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events of erasure. Their documents are blobs of the store.
CREATE TABLE erasures (
    id      TEXT PRIMARY KEY,             -- digest of the document
    created INTEGER NOT NULL,             -- microseconds since 1970
    sum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is erased, by the event that erased it. What was allowed to come back is not here.
CREATE TABLE erased (
    digest  TEXT PRIMARY KEY,
    erasure TEXT NOT NULL,
    sum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Bundles that were written: who has been given what.
CREATE TABLE bundles (
    record  TEXT NOT NULL,
    file    TEXT NOT NULL,
    user    TEXT NOT NULL,                -- the account
    created INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (record, file, created)
) STRICT, WITHOUT ROWID;
