-- Times are microseconds since 1970 in UTC.
-- Of which time minutes were dropped by age, and longer bars stayed: what comes for an hour of it later
-- cannot be all of that hour, and changes no longer bar. Mostly one row.
CREATE TABLE {bars_dropped} (
    -- A new one whenever more of the range is dropped.
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    first_minute INTEGER NOT NULL,
    last_minute  INTEGER NOT NULL
) STRICT;

-- Hours in there of which nothing was stored when minutes came for them: all their minutes came after the
-- drop, and longer bars are made of them as of any.
CREATE TABLE {bars_reopened} (
    symbol TEXT NOT NULL,
    hour   INTEGER NOT NULL,

    PRIMARY KEY (symbol, hour)
) STRICT;

CREATE INDEX {bars_reopened_hour_idx} ON {bars_reopened} (hour);
