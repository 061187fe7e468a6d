DROP TABLE {annals_dead_letters};
DROP TABLE {annals_ledger};
