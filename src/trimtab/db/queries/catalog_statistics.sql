/* trimtab: the extended-statistics objects of these tables ($1: oid[]) */
select s.stxrelid as table_oid,
       n.nspname::text as schema,
       s.stxname::text as name,
       array(select a.attname::text
               from unnest(s.stxkeys::int2[]) with ordinality as c(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = c.number
              order by c.position) as columns,
       array(select case kind when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv'
                              when 'e' then 'expressions' else kind::text end
               from unnest(s.stxkind) as kind) as kinds
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
 where s.stxrelid = any($1::oid[])
 order by s.stxrelid, n.nspname, s.stxname
