/* trimtab: what is the extended-statistics object of this name: its table, columns and kinds? */
select tn.nspname::text as table_schema,
       t.relname::text as table_name,
       array(select a.attname::text
               from pg_catalog.unnest(s.stxkeys::int2[]) as k(number)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.number) as columns,
       array(select case kind when 'd' then 'ndistinct' when 'f' then 'dependencies' when 'm' then 'mcv'
                              when 'e' then 'expressions' else kind::text end
               from pg_catalog.unnest(s.stxkind) as kind) as kinds,
       s.oid
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  join pg_catalog.pg_class t on t.oid = s.stxrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
 where n.nspname = $1
   and s.stxname = $2
