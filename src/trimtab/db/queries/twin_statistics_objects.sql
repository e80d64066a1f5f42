/* trimtab: the definitions of users' extended-statistics objects */
select n.nspname::text as schema,
       s.stxname::text as name,
       tn.nspname::text as table_schema,
       t.relname::text as "table",
       array(select a.attname::text
               from unnest(s.stxkeys::int2[]) with ordinality as c(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = c.number
              order by c.position) as columns,
       array(select case kind when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv' end
               from unnest(s.stxkind) as kind
              where kind in ('d', 'f', 'm')
              order by 1) as kinds,
       'e' = any (s.stxkind) as has_expressions
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  join pg_catalog.pg_class t on t.oid = s.stxrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
 where n.nspname <> 'information_schema'
   and n.nspname !~ '^pg_'
 order by 1, 2
