/* trimtab: give this database's lock back. */
select pg_catalog.pg_advisory_unlock($1::int, oid::bigint::bit(32)::int)
  from pg_catalog.pg_database
 where datname = pg_catalog.current_database()
