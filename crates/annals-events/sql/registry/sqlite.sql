-- Which namespaces there are, and with which prefix each one's tables begin.
CREATE TABLE IF NOT EXISTS eventodb_store_namespaces (
    id             TEXT PRIMARY KEY,
    -- SHA-256 of the token in hexadecimal; the token itself is not kept.
    token_hash     TEXT NOT NULL UNIQUE,
    schema_name    TEXT NOT NULL UNIQUE,
    description    TEXT,
    -- Seconds since 1970.
    created_at     INTEGER NOT NULL,
    metadata       TEXT,
    schema_version INTEGER NOT NULL DEFAULT 1
) STRICT;
