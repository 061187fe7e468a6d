-- Ranges of pages whose rows are gone keep their summary, and would seem to hold old rows for ever, whatever
-- comes into them: after a year of retention every range would. Without one they are summarised anew by the
-- next vacuum, which knows what is left. Only the index's owner may.
SELECT count(brin_desummarize_range(index.oid, part * 32))
  FROM pg_class AS index
 CROSS JOIN unnest($1::bigint[]) AS part
 WHERE index.oid = to_regclass('{traces_start_time_idx}')
   AND pg_has_role(index.relowner, 'USAGE')
