-- Batches that are committed. A local COMMIT is never in doubt for the process that sent it, but a
-- process that was killed can be asked about a batch by the one that comes after it.
CREATE TABLE {annals_ledger} (
    batch_id     TEXT PRIMARY KEY,
    row_count    INTEGER NOT NULL,
    committed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows that their table refused.
CREATE TABLE {annals_dead_letters} (
    id              TEXT PRIMARY KEY NOT NULL,
    table_name      TEXT NOT NULL,
    reason          TEXT NOT NULL,
    code            TEXT,
    column_name     TEXT,
    parked_at       INTEGER NOT NULL,
    parked_at_nanos INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    batch_id        TEXT NOT NULL,
    batch_row       INTEGER NOT NULL,
    payload         BLOB NOT NULL
) STRICT;

CREATE INDEX {annals_dead_letters_table_name_parked_at_idx} ON {annals_dead_letters} (table_name, parked_at DESC);
CREATE INDEX {annals_dead_letters_batch_id_idx} ON {annals_dead_letters} (batch_id);
