SELECT (SELECT count(*) FROM {messages}),
       (SELECT count(*) FROM {stream_heads}),
       (SELECT count(*) FROM {messages} AS message
         WHERE NOT EXISTS (SELECT 1 FROM {message_ids} AS message_id WHERE message_id.id = message.id)),
       (SELECT global_position FROM {message_counter})
