DROP INDEX {traces_start_time_idx};
