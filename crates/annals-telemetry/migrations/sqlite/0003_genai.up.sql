-- See PostgreSQL's for what is what.
ALTER TABLE {spans} ADD COLUMN user_id TEXT;
ALTER TABLE {spans} ADD COLUMN cache_write_tokens INTEGER;
ALTER TABLE {spans} ADD COLUMN token_convention TEXT;
ALTER TABLE {spans} ADD COLUMN finish_reason TEXT;
ALTER TABLE {spans} ADD COLUMN response_id TEXT;
ALTER TABLE {spans} ADD COLUMN tool_name TEXT;
ALTER TABLE {spans} ADD COLUMN agent_name TEXT;
ALTER TABLE {spans} ADD COLUMN cost_source TEXT;
ALTER TABLE {traces} ADD COLUMN user_id TEXT;
ALTER TABLE {traces} ADD COLUMN conversation_id TEXT;
ALTER TABLE {traces} ADD COLUMN error_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {traces} ADD COLUMN model_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {traces} ADD COLUMN unpriced_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {traces} ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {traces} ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {traces} ADD COLUMN cost ANY;

CREATE INDEX {traces_trace_id_idx} ON {traces} (trace_id);
CREATE INDEX {traces_service_name_start_time_idx} ON {traces} (service_name, start_time DESC);
CREATE INDEX {traces_status_start_time_idx} ON {traces} (status, start_time DESC);
CREATE INDEX {traces_duration_us_idx} ON {traces} (duration_us);
CREATE INDEX {traces_user_id_start_time_idx} ON {traces} (user_id, start_time DESC) WHERE user_id IS NOT NULL;
CREATE INDEX {traces_conversation_id_start_time_idx} ON {traces} (conversation_id, start_time DESC) WHERE conversation_id IS NOT NULL;
CREATE INDEX {traces_cost_idx} ON {traces} (cost) WHERE cost IS NOT NULL;

CREATE TABLE {usage_hourly} (
    hour                INTEGER NOT NULL,
    service_name        TEXT NOT NULL,
    provider            TEXT NOT NULL,
    model               TEXT NOT NULL,
    calls               INTEGER NOT NULL,
    errors              INTEGER NOT NULL,
    unpriced_calls      INTEGER NOT NULL,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    cached_tokens       INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    cost_nanos          INTEGER NOT NULL,
    duration_ms         ANY NOT NULL,
    duration_ms_squares ANY NOT NULL,
    PRIMARY KEY (hour, service_name, provider, model)
) STRICT;

CREATE INDEX {usage_hourly_provider_model_hour_idx} ON {usage_hourly} (provider, model, hour);

CREATE TABLE {usage_daily} (
    day                 INTEGER NOT NULL,
    subject             TEXT NOT NULL,
    subject_id          TEXT NOT NULL,
    provider            TEXT NOT NULL,
    model               TEXT NOT NULL,
    calls               INTEGER NOT NULL,
    errors              INTEGER NOT NULL,
    unpriced_calls      INTEGER NOT NULL,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    cached_tokens       INTEGER NOT NULL,
    cache_write_tokens  INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    cost_nanos          INTEGER NOT NULL,
    duration_ms         ANY NOT NULL,
    duration_ms_squares ANY NOT NULL,
    PRIMARY KEY (day, subject, subject_id, provider, model)
) STRICT;

CREATE TABLE {usage_days} (
    day     INTEGER PRIMARY KEY NOT NULL,
    version INTEGER NOT NULL
) STRICT;
