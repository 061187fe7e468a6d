CREATE TABLE bars_1m (
    -- The stock scanner's table, by name and type, without its limit on symbols.
    symbol    TEXT NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    open      DOUBLE PRECISION NOT NULL,
    high      DOUBLE PRECISION NOT NULL,
    low       DOUBLE PRECISION NOT NULL,
    close     DOUBLE PRECISION NOT NULL,
    volume    BIGINT NOT NULL,
    vwap      DOUBLE PRECISION NOT NULL,

    -- When the first and the last trade were, by which parts of a bar are merged in any order.
    opened_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,

    PRIMARY KEY (symbol, timestamp)
);

-- What is new in a time range, whatever the symbol.
CREATE INDEX bars_1m_timestamp_idx ON bars_1m (timestamp DESC);
