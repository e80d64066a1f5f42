/* trimtab: settings of users' own that policies read, themselves or in functions that they call, as this session has
   them; null where it has none */
select distinct m.parts[1] as name, pg_catalog.current_setting(m.parts[1], true) as value
  from (select pg_catalog.pg_get_expr(p.polqual, p.polrelid) as text from pg_catalog.pg_policy p
         union
        select pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) from pg_catalog.pg_policy p
         union
        select f.prosrc
          from pg_catalog.pg_depend d
          join pg_catalog.pg_proc f on f.oid = d.refobjid
         where d.classid = 'pg_catalog.pg_policy'::regclass and d.refclassid = 'pg_catalog.pg_proc'::regclass) as t
 cross join lateral pg_catalog.regexp_matches(
       t.text, 'current_setting\(\s*''([A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)+)''', 'g') as m(parts)
 order by 1
