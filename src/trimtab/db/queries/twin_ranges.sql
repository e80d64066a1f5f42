/* trimtab: statistics of range columns (kinds 6 and 7), which pg_stats shows since version 17 only */
select n.nspname::text as schema, c.relname::text as relation, a.attname::text as "column",
       s.stainherit as is_inherited,
       case 6 when s.stakind1 then s.stavalues1::text when s.stakind2 then s.stavalues2::text
              when s.stakind3 then s.stavalues3::text when s.stakind4 then s.stavalues4::text
              when s.stakind5 then s.stavalues5::text end as length_histogram,
       case 6 when s.stakind1 then s.stanumbers1[1] when s.stakind2 then s.stanumbers2[1]
              when s.stakind3 then s.stanumbers3[1] when s.stakind4 then s.stanumbers4[1]
              when s.stakind5 then s.stanumbers5[1] end as empty_share,
       case 7 when s.stakind1 then s.stavalues1::text when s.stakind2 then s.stavalues2::text
              when s.stakind3 then s.stavalues3::text when s.stakind4 then s.stavalues4::text
              when s.stakind5 then s.stavalues5::text end as bounds_histogram
  from pg_catalog.pg_statistic s
  join pg_catalog.pg_class c on c.oid = s.starelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = s.staattnum
 where 6 in (s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5)
    or 7 in (s.stakind1, s.stakind2, s.stakind3, s.stakind4, s.stakind5)
