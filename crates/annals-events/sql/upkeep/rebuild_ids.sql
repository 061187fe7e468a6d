INSERT INTO {message_ids} (id, position, global_position, time)
SELECT message.id, message.position, message.global_position, message.time
  FROM {messages} AS message
 WHERE NOT EXISTS (SELECT 1 FROM {message_ids} AS message_id WHERE message_id.id = message.id)
ON CONFLICT (id) DO NOTHING
