DELETE FROM {messages};
DELETE FROM {stream_heads};
DELETE FROM {message_ids};
UPDATE {message_counter} SET global_position = 0, time = 0;
