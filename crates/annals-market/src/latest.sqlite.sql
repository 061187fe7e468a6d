SELECT bar.symbol, bar.timestamp, open, high, low, close, volume, vwap, opened_at, closed_at
  FROM json_each($1) AS asked
  JOIN {bars_1m} AS bar
    ON bar.rowid IN (
       SELECT rowid
         FROM {bars_1m}
        WHERE symbol = asked.value
        ORDER BY timestamp DESC
        LIMIT $2
       )
 ORDER BY asked.key, bar.timestamp
