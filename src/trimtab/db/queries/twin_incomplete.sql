/* trimtab: tables that this role may read, and of which it may not read all partitions or children */
with recursive above as (
    select i.inhparent as oid
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
     where c.relkind in ('r', 'p', 'f')
       and not (pg_catalog.has_schema_privilege(c.relnamespace, 'usage')
                and pg_catalog.has_table_privilege(c.oid, 'select'))
     union
    select i.inhparent from above a join pg_catalog.pg_inherits i on i.inhrelid = a.oid
)
select n.nspname::text as schema, c.relname::text as name
  from above a
  join pg_catalog.pg_class c on c.oid = a.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'f')
   and pg_catalog.has_schema_privilege(n.oid, 'usage')
   and pg_catalog.has_table_privilege(c.oid, 'select')
 order by 1, 2
