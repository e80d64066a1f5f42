/* trimtab: waits in the server's queue until the table $1 can be read, no longer than the milliseconds $2. */
select case when pg_catalog.set_config('lock_timeout', $2::text, true) is not null
            then pg_catalog.pg_relation_size($1::oid) end
