-- Longer bars, rolled up from bars_1m by `annals serve` or `annals bars refresh`. Where bars_changed has
-- an entry, bars_1m is right and these are not yet: the program reads both.
CREATE TABLE bars_5m (
    symbol    TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    open      DOUBLE PRECISION NOT NULL,
    high      DOUBLE PRECISION NOT NULL,
    low       DOUBLE PRECISION NOT NULL,
    close     DOUBLE PRECISION NOT NULL,
    volume    BIGINT NOT NULL,
    vwap      DOUBLE PRECISION NOT NULL,
    opened_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,

    PRIMARY KEY (symbol, timestamp)
);

CREATE TABLE bars_15m (
    symbol    TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    open      DOUBLE PRECISION NOT NULL,
    high      DOUBLE PRECISION NOT NULL,
    low       DOUBLE PRECISION NOT NULL,
    close     DOUBLE PRECISION NOT NULL,
    volume    BIGINT NOT NULL,
    vwap      DOUBLE PRECISION NOT NULL,
    opened_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,

    PRIMARY KEY (symbol, timestamp)
);

CREATE TABLE bars_1h (
    symbol    TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    open      DOUBLE PRECISION NOT NULL,
    high      DOUBLE PRECISION NOT NULL,
    low       DOUBLE PRECISION NOT NULL,
    close     DOUBLE PRECISION NOT NULL,
    volume    BIGINT NOT NULL,
    vwap      DOUBLE PRECISION NOT NULL,
    opened_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,

    PRIMARY KEY (symbol, timestamp)
);

CREATE INDEX bars_5m_timestamp_idx ON bars_5m (timestamp DESC);
CREATE INDEX bars_15m_timestamp_idx ON bars_15m (timestamp DESC);
CREATE INDEX bars_1h_timestamp_idx ON bars_1h (timestamp DESC);

-- Minutes that were written since longer bars were made of them: all minutes of these symbols (of any
-- where there are none) between the first and the last.
CREATE TABLE bars_changed (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_minute TIMESTAMPTZ NOT NULL,
    last_minute  TIMESTAMPTZ NOT NULL,
    symbols      TEXT[],
    -- Why no longer bars can be made of it; nobody tries before the minutes change.
    held         TEXT
);

CREATE INDEX bars_changed_last_minute_idx ON bars_changed (last_minute);

-- What is there was never rolled up.
INSERT INTO bars_changed (first_minute, last_minute)
SELECT first_minute, last_minute
  FROM (SELECT min(timestamp) AS first_minute, max(timestamp) AS last_minute FROM bars_1m) AS bars
 WHERE first_minute IS NOT NULL;
