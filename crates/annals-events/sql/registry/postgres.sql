-- Which namespaces there are, and which schema keeps each one's tables.
CREATE SCHEMA IF NOT EXISTS eventodb_store;

CREATE TABLE IF NOT EXISTS eventodb_store.namespaces (
    id             TEXT PRIMARY KEY,
    -- SHA-256 of the token in hexadecimal; the token itself is not kept.
    token_hash     TEXT NOT NULL UNIQUE,
    schema_name    TEXT NOT NULL UNIQUE,
    description    TEXT,
    -- Seconds since 1970.
    created_at     BIGINT NOT NULL,
    metadata       JSONB,
    schema_version INTEGER NOT NULL DEFAULT 1
);
