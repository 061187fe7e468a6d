CREATE UNIQUE INDEX messages_stream_position ON {messages} (stream_name, "position");
CREATE UNIQUE INDEX messages_global_position ON {messages} (global_position);
CREATE INDEX messages_category_global ON {messages} (category, global_position);
CREATE UNIQUE INDEX messages_id_time ON {messages} (id);
CREATE INDEX messages_correlation ON {messages} (split_part(metadata ->> 'correlationStreamName', '-', 1), global_position)
    WHERE metadata ->> 'correlationStreamName' IS NOT NULL;
