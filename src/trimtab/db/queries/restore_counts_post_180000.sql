/* trimtab: store how large a table was counted, as found by a server of version $3 */
select pg_catalog.pg_restore_relation_stats(
           'schemaname', $1::text, 'relname', $2::text, 'version', $3::int, 'relpages', $4::int, 'reltuples', $5::real,
           'relallvisible', $6::int, 'relallfrozen', $7::int)
