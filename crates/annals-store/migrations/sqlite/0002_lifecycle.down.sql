-- annals_policies stays: see there.
DROP TABLE {annals_leases};
DROP TABLE {annals_jobs};
