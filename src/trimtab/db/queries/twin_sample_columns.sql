/* trimtab: columns of a table of the source: their places, statistics targets, types below domains, and whether their
   types' statistics are of an ordinary kind. A name without a column has null as its place */
with recursive wanted as (
    select w.name, w.place, a.attnum, a.atttypid, a.atttypmod,
           coalesce(nullif(a.attstattarget::int, -1),
                    pg_catalog.current_setting('default_statistics_target')::int) as target,
           a.attgenerated <> 'v' as is_stored
      from pg_catalog.unnest($2::text[]) with ordinality as w(name, place)
      left join pg_catalog.pg_attribute a
        on a.attrelid = pg_catalog.to_regclass($1::text) and a.attname = w.name and a.attnum > 0
       and not a.attisdropped
), step as (
    select w.place, w.atttypid as type, w.atttypmod as modifier from wanted w
    union all
    select s.place, t.typbasetype, t.typtypmod
      from step s join pg_catalog.pg_type t on t.oid = s.type where t.typtype = 'd'
)
select w.name, w.attnum::int as number, w.target, pg_catalog.format_type(t.oid, s.modifier) as type,
       coalesce(w.is_stored and (t.typanalyze::oid = 0 or p.proname in ('array_typanalyze', 'ts_typanalyze')), false)
           as is_ordinary
  from wanted w
  left join (step s join pg_catalog.pg_type t on t.oid = s.type and t.typtype <> 'd') on s.place = w.place
  left join pg_catalog.pg_proc p on p.oid = t.typanalyze
 order by w.place
