UPDATE {usage_hourly} AS usage
SET
    -- By numeric, as costs that spans make up may have brought it to its end.
    cost_nanos = least(9223372036854775807, greatest(0, usage.cost_nanos::numeric + new.cost_nanos))::bigint,
    unpriced_calls = greatest(0, usage.unpriced_calls + new.unpriced_calls)
FROM UNNEST($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    AS new (hour, service_name, provider, model, cost_nanos, unpriced_calls)
WHERE usage.hour = new.hour AND usage.service_name = new.service_name AND usage.provider = new.provider AND usage.model = new.model
