SELECT bar.*
  FROM jsonb_array_elements_text($1) WITH ORDINALITY AS asked (symbol, place)
 CROSS JOIN LATERAL (
       SELECT symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at
         FROM {bars_1m}
        WHERE symbol = asked.symbol
        ORDER BY timestamp DESC
        LIMIT $2
       ) AS bar
 ORDER BY asked.place, bar.timestamp
