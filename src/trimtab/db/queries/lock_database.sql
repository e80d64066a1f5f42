/* trimtab: take this database's lock if it is free. $1 is Trimtab's key; the oid is unsigned, the key is not. */
select pg_catalog.pg_try_advisory_lock($1::int, oid::bigint::bit(32)::int)
  from pg_catalog.pg_database
 where datname = pg_catalog.current_database()
