/* trimtab: the values of extended statistics, per object and inherit flag */
select n.nspname::text as schema, s.stxname::text as name, d.stxdinherit as is_inherited,
       d.stxdndistinct::bytea as ndistinct, d.stxddependencies::bytea as dependencies,
       -- values of an enum are numbers of this server alone
       case when not exists (select from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
                              where a.attrelid = s.stxrelid and a.attnum = any (s.stxkeys) and t.typtype = 'e')
            then d.stxdmcv::bytea end as mcv,
       array(select k.number::int from unnest(s.stxkeys) with ordinality as k(number, position)
              order by k.position) as numbers,
       array(select a.attname::text from unnest(s.stxkeys) with ordinality as k(number, position)
               join pg_catalog.pg_attribute a on a.attrelid = s.stxrelid and a.attnum = k.number
              order by k.position) as names,
       to_jsonb(s) ->> 'stxexprs' is not null as has_expressions
  from pg_catalog.pg_statistic_ext_data d
  join pg_catalog.pg_statistic_ext s on s.oid = d.stxoid
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
