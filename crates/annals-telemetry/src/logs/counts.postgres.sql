SELECT
    CAST(floor(extract(epoch FROM timestamp) * 1000000 / $3::bigint) AS bigint) AS slice,
    service_name,
    severity_number,
    count(*) AS records
FROM {logs}
WHERE timestamp >= $1 AND timestamp < $2
    AND ($4::text IS NULL OR service_name = $4::text)
    AND ($5::int IS NULL OR severity_number >= $5::int)
    AND ($6::text IS NULL OR body ILIKE $6::text ESCAPE '\')
GROUP BY 1, 2, 3
