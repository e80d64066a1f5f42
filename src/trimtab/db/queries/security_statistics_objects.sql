/* trimtab: extended statistics: who owns them may drop them; what is in them the table's rights guard */
select array[n.nspname::text, s.stxname::text] as key, pg_catalog.pg_get_userbyid(s.stxowner)::text as owner
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
