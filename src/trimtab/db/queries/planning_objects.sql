/* trimtab: what planning and running a query of these tables rests on, by table: indexes, statistics, checks, parts, rows.
   The same is asked of two databases, so names stand for oids. `what` is for people, `detail` tells whether two are
   alike: definitions are taken apart, since versions write them in other words */
select n.nspname::text as schema, c.relname::text as name, o.what, o.detail
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral (
       select 'the table itself', ''
        union all
       select 'index ' || pg_catalog.quote_ident(i.relname),
              pg_catalog.jsonb_build_array(
                  m.amname, x.indisunique, x.indnkeyatts, x.indoption::text, x.indpred is null,
                  array(select coalesce(pg_catalog.quote_ident(a.attname), 'an expression')
                          from unnest(x.indkey::int2[]) with ordinality as k(number, position)
                          left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
                                                             and k.number <> 0
                         order by k.position))::text
         from pg_catalog.pg_index x
         join pg_catalog.pg_class i on i.oid = x.indexrelid
         join pg_catalog.pg_am m on m.oid = i.relam
        where x.indrelid = c.oid and x.indisvalid
        union all
       select 'statistics ' || pg_catalog.quote_ident(s.stxname), s.stxkind::text
         from pg_catalog.pg_statistic_ext s
        where s.stxrelid = c.oid
        union all
       select 'check ' || pg_catalog.quote_ident(k.conname), ''
         from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.convalidated
        union all
       select 'part ' || pg_catalog.quote_ident(d.nspname) || '.' || pg_catalog.quote_ident(p.relname), ''
         from pg_catalog.pg_inherits h
         join pg_catalog.pg_class p on p.oid = h.inhrelid
         join pg_catalog.pg_namespace d on d.oid = p.relnamespace
        where h.inhparent = c.oid
        union all
       select 'rows', c.reltuples::text
        where c.reltuples > 0 and c.relkind in ('r', 'm')
       ) o(what, detail)
 where c.relkind in ('r', 'm', 'p')
   and c.relpersistence <> 't'
   and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname !~ '^pg_(toast|temp_|toast_temp_)'
   and not exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
 order by 1, 2, 3
