UPDATE {message_counter}
   SET global_position = max(global_position, coalesce((SELECT max(global_position) FROM {messages}), 0)),
       time = max(time, coalesce((SELECT max(time) FROM {messages}), 0))
RETURNING global_position
