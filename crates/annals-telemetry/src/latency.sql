SELECT
    count(*),
    max(duration_nanos) FILTER (WHERE place = (50 * total + 99) / 100),
    max(duration_nanos) FILTER (WHERE place = (95 * total + 99) / 100),
    max(duration_nanos) FILTER (WHERE place = (99 * total + 99) / 100)
FROM (
    SELECT
        duration_nanos,
        row_number() OVER (ORDER BY duration_nanos) AS place,
        count(*) OVER () AS total
    FROM {spans}
    WHERE model_name = $1 AND start_time >= $2 AND start_time < $3 AND duration_nanos >= 0
        -- Without a version, every version counts. The cast tells PostgreSQL the type of a NULL.
        AND (CAST($4 AS text) IS NULL OR model_version = $4)
) AS ranked
