        AND point.metric_id IN (SELECT CAST(id AS uuid) FROM jsonb_array_elements_text(CAST($1 AS jsonb)) AS ids (id))
        -- Each attribute has one of the values that are asked for.
        AND (CAST($4 AS jsonb) = '[]' OR NOT EXISTS (
            SELECT FROM jsonb_array_elements(CAST($4 AS jsonb)) AS conditions (alternatives)
            WHERE NOT EXISTS (
                SELECT FROM jsonb_array_elements(alternatives) AS one (alternative)
                WHERE point.attributes @> jsonb_build_object(alternative ->> 'k', alternative -> 'v'))))
