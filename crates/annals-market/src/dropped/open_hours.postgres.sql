SELECT hour
  FROM {bars_reopened}
 WHERE symbol = $1 AND hour >= $2 AND hour < $3
 UNION
SELECT late.hour
  FROM (SELECT DISTINCT date_trunc('hour', timestamp, 'UTC') AS hour
          FROM {bars_1m}
         WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3) AS late
 WHERE NOT EXISTS (
       SELECT FROM {bars_1h}
        WHERE symbol = $1 AND timestamp = late.hour AND timestamp >= $2 AND timestamp < $3)
   AND NOT EXISTS (
       SELECT FROM {bars_15m}
        WHERE symbol = $1 AND timestamp >= late.hour AND timestamp < late.hour + interval '1 hour'
          AND timestamp >= $2 AND timestamp < $3)
   AND NOT EXISTS (
       SELECT FROM {bars_5m}
        WHERE symbol = $1 AND timestamp >= late.hour AND timestamp < late.hour + interval '1 hour'
          AND timestamp >= $2 AND timestamp < $3)
