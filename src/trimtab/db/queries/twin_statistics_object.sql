/* trimtab: schema, the table's schema, table, name, columns and kinds of a statistics object, by its written name */
select n.nspname::text as schema, t.nspname::text as table_schema, c.relname::text as table_name,
       s.stxname::text as name,
       array(select a.attname::text
               from pg_catalog.unnest(s.stxkeys::smallint[]) with ordinality as k(attnum, place)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.attnum
              order by k.place) as columns,
       array(select case k.kind when 'd' then 'ndistinct' when 'f' then 'dependencies' else 'mcv' end
               from pg_catalog.unnest(s.stxkind) as k(kind)
              where k.kind in ('d', 'f', 'm')) as kinds
  from pg_catalog.parse_ident($1::text) as w(parts)
  join pg_catalog.pg_statistic_ext s on s.stxname = w.parts[pg_catalog.cardinality(w.parts)]
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  join pg_catalog.pg_class c on c.oid = s.stxrelid
  join pg_catalog.pg_namespace t on t.oid = c.relnamespace
 where case pg_catalog.cardinality(w.parts)
            when 1 then pg_catalog.pg_statistics_obj_is_visible(s.oid)
            when 2 then n.nspname = w.parts[1]
            else false end
