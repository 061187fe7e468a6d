WITH by_version AS (
    SELECT
        model_name,
        model_version,
        count(*) AS spans,
        count(*) FILTER (WHERE status_code = 'error') AS errors,
        min(start_time) AS first_seen,
        max(start_time) AS last_seen
    FROM {spans}
    WHERE start_time >= $1 AND start_time < $2 AND model_name IS NOT NULL
    GROUP BY model_name, model_version
), models AS (
    SELECT
        model_name,
        -- PostgreSQL sums up to numeric.
        CAST(sum(spans) AS bigint) AS span_count,
        CAST(sum(errors) AS bigint) AS error_count,
        min(first_seen) AS first_seen,
        max(last_seen) AS last_seen
    FROM by_version
    GROUP BY model_name
    ORDER BY span_count DESC, model_name
    LIMIT $3
), versions AS (
    SELECT
        model_name,
        model_version,
        row_number() OVER (PARTITION BY model_name ORDER BY last_seen DESC, model_version) AS place
    FROM by_version
    WHERE model_version IS NOT NULL
)
SELECT
    models.model_name,
    models.span_count,
    models.error_count,
    models.first_seen,
    models.last_seen,
    versions.model_version
FROM models
LEFT JOIN versions ON versions.model_name = models.model_name AND versions.place <= $4
