/* trimtab: B-trees of the twin in which the planner can look up the ends of a column, with the files of their tables.
   Operators are PostgreSQL's own or an extension's: ends are sorted in a superuser's session */
select n.nspname::text as schema, c.relname::text as name, a.attname::text as column_name,
       i.indexrelid::bigint as oid, i.indnatts::int as attributes, (i.indoption[0] & 1) = 1 as is_descending,
       pg_catalog.pg_relation_filepath(i.indexrelid) as path,
       pg_catalog.pg_relation_filepath(c.oid) as table_path,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type, pg_catalog.format_type(t.typarray, -1) as array_type
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = x.relam
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_opclass o on o.oid = i.indclass[0]
 where c.relkind in ('r', 'm')
   and x.relkind = 'i'
   and i.indpred is null
   and am.amname = 'btree'
   and o.opcdefault
   and o.opckeytype = 0
   and t.typarray <> 0
   and (o.oid < 16384
        or exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_opclass'::regclass and d.objid = o.oid and d.deptype = 'e'))
   and ($1::bigint[] is null or c.oid = any ($1::bigint[]::oid[]))
 order by i.indexrelid
