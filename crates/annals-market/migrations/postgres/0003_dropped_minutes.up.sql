-- Of which time minutes were dropped by age, and longer bars stayed: what comes for an hour of it later
-- cannot be all of that hour, and changes no longer bar. Mostly one row.
CREATE TABLE bars_dropped (
    -- A new one whenever more of the range is dropped.
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_minute TIMESTAMPTZ NOT NULL,
    last_minute  TIMESTAMPTZ NOT NULL
);

-- Hours in there of which nothing was stored when minutes came for them: all their minutes came after the
-- drop, and longer bars are made of them as of any.
CREATE TABLE bars_reopened (
    symbol TEXT NOT NULL,
    hour   TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (symbol, hour)
);

CREATE INDEX bars_reopened_hour_idx ON bars_reopened (hour);
