-- Those of $4 whose ids are not there. The condition is looked at again when another one has changed the row meanwhile.
UPDATE {spans} AS span SET events = COALESCE(span.events, '[]') || (
    SELECT COALESCE(jsonb_agg(new.event ORDER BY new.place), '[]')
    FROM jsonb_array_elements($4::text::jsonb) WITH ORDINALITY AS new (event, place)
    WHERE NOT COALESCE(span.events, '[]') @> jsonb_build_array(jsonb_build_object('id', new.event -> 'id'))
)
WHERE trace_id = $1 AND span_id = $2 AND start_time = $3
    AND EXISTS (
        SELECT FROM jsonb_array_elements($4::text::jsonb) AS new (event)
        WHERE NOT COALESCE(span.events, '[]') @> jsonb_build_array(jsonb_build_object('id', new.event -> 'id'))
    )
