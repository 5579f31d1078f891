-- The history of named data. The documents of the versions are blobs of the store.

CREATE TABLE data_entries (
    id      TEXT PRIMARY KEY,             -- digest of the document
    name    TEXT NOT NULL,
    content TEXT NOT NULL,                -- digest of what the version holds
    parent  TEXT,                         -- null of the first one
    created INTEGER NOT NULL,             -- microseconds since 1970
    sum     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX data_entries_by_name ON data_entries (name, created);
CREATE INDEX data_entries_by_content ON data_entries (content, name);

-- The version that a name alone means.
CREATE TABLE data_heads (
    name  TEXT PRIMARY KEY,
    entry TEXT NOT NULL,
    sum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Names that people gave to versions.
CREATE TABLE data_tags (
    name    TEXT NOT NULL,
    tag     TEXT NOT NULL,
    entry   TEXT NOT NULL,
    created INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (name, tag)
) STRICT, WITHOUT ROWID;

-- What was seen of blobs was seen of their own files. They lie in packs now, whose facts count.
DELETE FROM blob_facts;
