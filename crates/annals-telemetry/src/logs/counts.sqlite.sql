SELECT
    (timestamp - (timestamp % $3 + $3) % $3) / $3 AS slice,
    service_name,
    severity_number,
    count(*) AS records
FROM {logs}
WHERE timestamp >= $1 AND timestamp < $2
    AND ($4 IS NULL OR service_name = $4)
    AND ($5 IS NULL OR severity_number >= $5)
    AND ($6 IS NULL OR body LIKE $6 ESCAPE '\')
GROUP BY 1, 2, 3
