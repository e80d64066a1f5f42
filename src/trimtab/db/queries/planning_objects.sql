/* trimtab: what planning and running a query of these tables rests on, by table: indexes, statistics, checks, parts, rows.
   The same is asked of two databases, so the words are for people and names stand for oids */
select n.nspname::text as schema, c.relname::text as name, o.what
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral (
       select 'the table itself'
        union all
       select 'index ' || pg_catalog.quote_ident(i.relname)
         from pg_catalog.pg_index x
         join pg_catalog.pg_class i on i.oid = x.indexrelid
        where x.indrelid = c.oid and x.indisvalid
        union all
       select 'statistics ' || pg_catalog.quote_ident(s.stxname)
         from pg_catalog.pg_statistic_ext s
        where s.stxrelid = c.oid
        union all
       select 'check ' || pg_catalog.quote_ident(k.conname)
         from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.convalidated
        union all
       select 'part ' || pg_catalog.quote_ident(d.nspname) || '.' || pg_catalog.quote_ident(p.relname)
         from pg_catalog.pg_inherits h
         join pg_catalog.pg_class p on p.oid = h.inhrelid
         join pg_catalog.pg_namespace d on d.oid = p.relnamespace
        where h.inhparent = c.oid
        union all
       select 'rows'
        where c.reltuples > 0 and c.relkind in ('r', 'm')
       ) o(what)
 where c.relkind in ('r', 'm', 'p')
   and c.relpersistence <> 't'
   and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
   and not exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
 order by 1, 2, 3
