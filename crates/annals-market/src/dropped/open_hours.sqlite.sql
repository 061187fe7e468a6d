SELECT hour
  FROM {bars_reopened}
 WHERE symbol = $1 AND hour >= $2 AND hour < $3
 UNION
SELECT late.hour
  FROM (SELECT DISTINCT timestamp - ((timestamp % 3600000000) + 3600000000) % 3600000000 AS hour
          FROM {bars_1m}
         WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3) AS late
 WHERE NOT EXISTS (
       SELECT 1 FROM {bars_1h}
        WHERE symbol = $1 AND timestamp = late.hour)
   AND NOT EXISTS (
       SELECT 1 FROM {bars_15m}
        WHERE symbol = $1 AND timestamp >= late.hour AND timestamp < late.hour + 3600000000)
   AND NOT EXISTS (
       SELECT 1 FROM {bars_5m}
        WHERE symbol = $1 AND timestamp >= late.hour AND timestamp < late.hour + 3600000000)
