-- One row: what traces that somebody remembers are held against, beside their own rows in `traces`.
CREATE TABLE trace_cache (
    only_one    BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one),
    -- Whoever reads this can make values that others take for traces of this database.
    secret      TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    -- Spans that began before have gone by age, all of them or some.
    gone_before TIMESTAMPTZ,
    -- Another one after spans were deleted in any other way.
    generation  BIGINT NOT NULL DEFAULT 0
);

INSERT INTO trace_cache DEFAULT VALUES;
