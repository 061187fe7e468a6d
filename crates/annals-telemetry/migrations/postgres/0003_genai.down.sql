DROP TABLE usage_days;
DROP TABLE usage_daily;
DROP TABLE usage_hourly;
DROP INDEX traces_cost_idx;
DROP INDEX traces_conversation_id_start_time_idx;
DROP INDEX traces_user_id_start_time_idx;
DROP INDEX traces_duration_us_idx;
DROP INDEX traces_status_start_time_idx;
DROP INDEX traces_service_name_start_time_idx;
DROP INDEX traces_trace_id_idx;
DROP INDEX traces_start_time_idx;
CREATE INDEX traces_start_time_idx ON traces USING brin (start_time)
    WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE traces
    DROP COLUMN cost, DROP COLUMN output_tokens, DROP COLUMN input_tokens, DROP COLUMN unpriced_calls,
    DROP COLUMN model_calls, DROP COLUMN error_count, DROP COLUMN conversation_id, DROP COLUMN user_id;
ALTER TABLE spans
    DROP COLUMN cost_source, DROP COLUMN agent_name, DROP COLUMN tool_name, DROP COLUMN response_id,
    DROP COLUMN finish_reason, DROP COLUMN token_convention, DROP COLUMN cache_write_tokens, DROP COLUMN user_id;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression') THEN
        ALTER TABLE spans
            ALTER COLUMN tags SET COMPRESSION DEFAULT,
            ALTER COLUMN events SET COMPRESSION DEFAULT;
    END IF;
END
$$;
