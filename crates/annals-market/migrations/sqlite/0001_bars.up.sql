-- Times are microseconds since 1970 in UTC. To read one:
-- SELECT datetime(timestamp / 1000000, 'unixepoch') FROM bars_1m.
CREATE TABLE {bars_1m} (
    symbol    TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    open      ANY NOT NULL,
    high      ANY NOT NULL,
    low       ANY NOT NULL,
    close     ANY NOT NULL,
    volume    INTEGER NOT NULL,
    vwap      ANY NOT NULL,

    opened_at INTEGER,
    closed_at INTEGER,

    PRIMARY KEY (symbol, timestamp)
) STRICT;

CREATE INDEX {bars_1m_timestamp_idx} ON {bars_1m} (timestamp DESC);
