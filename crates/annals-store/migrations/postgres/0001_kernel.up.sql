-- Batches that are committed: a retry whose first answer was lost asks here. Ids are UUIDs of
-- version 7, so the primary key grows at one end and old entries go in ranges.
CREATE TABLE annals_ledger (
    batch_id     uuid PRIMARY KEY,
    row_count    integer NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now()
);

-- Rows that their table refused. The payload is bytes because text could not hold what made some
-- of them refused.
CREATE TABLE annals_dead_letters (
    id              uuid PRIMARY KEY,
    table_name      text NOT NULL,
    reason          text NOT NULL,
    code            text,
    column_name     text,
    parked_at       timestamptz NOT NULL,
    parked_at_nanos integer NOT NULL,
    attempts        integer NOT NULL,
    batch_id        uuid NOT NULL,
    batch_row       integer NOT NULL,
    payload         bytea NOT NULL
);

CREATE INDEX annals_dead_letters_table_name_parked_at_idx ON annals_dead_letters (table_name, parked_at DESC);
CREATE INDEX annals_dead_letters_batch_id_idx ON annals_dead_letters (batch_id);
