SELECT 1 FROM {message_counter} FOR UPDATE;
TRUNCATE {messages}, {stream_heads}, {message_ids};
UPDATE {message_counter} SET global_position = 0, "time" = '-infinity', turn = gen_random_uuid();
