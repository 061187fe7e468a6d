        AND point.metric_id IN (SELECT value FROM json_each($1))
        -- Each attribute has one of the values that are asked for. Truth values are numbers here, and must not be taken for them.
        AND ($4 = '[]' OR NOT EXISTS (
            SELECT 1 FROM json_each($4) AS conditions
            WHERE NOT EXISTS (
                SELECT 1 FROM json_each(conditions.value) AS one, json_each(point.attributes) AS member
                WHERE member.key = one.value ->> 'k'
                    AND member.atom = one.value ->> 'v'
                    AND (member.type IN ('true', 'false')) = (json_type(one.value -> 'v') IN ('true', 'false')))))
