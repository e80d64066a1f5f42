/* trimtab: functions of extensions that what the database defines rests on, where PostgreSQL's own types alone are theirs */
select distinct e.extname::text as extension, n.nspname::text as schema, p.proname::text as name,
       array(select t.typname::text
               from pg_catalog.unnest(p.proargtypes) with ordinality as a(type, place)
               join pg_catalog.pg_type t on t.oid = a.type
              order by a.place) as arguments,
       r.typname::text as result, p.provolatile::text as volatility, p.proisstrict as is_strict, p.procost as cost
  from pg_catalog.pg_depend d
  join pg_catalog.pg_proc p on p.oid = d.refobjid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_type r on r.oid = p.prorettype
  join pg_catalog.pg_depend of on of.classid = 'pg_catalog.pg_proc'::regclass and of.objid = p.oid and of.deptype = 'e'
  join pg_catalog.pg_extension e on e.oid = of.refobjid and of.refclassid = 'pg_catalog.pg_extension'::regclass
 where d.refclassid = 'pg_catalog.pg_proc'::regclass
   and d.classid in ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass,
                     'pg_catalog.pg_policy'::regclass, 'pg_catalog.pg_rewrite'::regclass,
                     'pg_catalog.pg_class'::regclass, 'pg_catalog.pg_statistic_ext'::regclass,
                     'pg_catalog.pg_proc'::regclass)
   and p.prokind = 'f'
   and not p.proretset
   and p.provariadic = 0
   and r.typnamespace = 'pg_catalog'::regnamespace
   and r.typtype <> 'p'
   and not exists (select from pg_catalog.unnest(p.proargtypes) as a(type)
                     join pg_catalog.pg_type t on t.oid = a.type
                    where t.typnamespace <> 'pg_catalog'::regnamespace or t.typtype = 'p')
 order by 1, 2, 3, 4
