/* trimtab: each column of indexes with what the statistics know of it; an index's own statistics serve expressions */
select i.indexrelid::bigint as oid,
       k.position <= i.indnkeyatts as is_key,
       coalesce(ta.attnum, 0) as number,
       case when a.attlen > 0 then a.attlen else coalesce(s.stawidth, 32) end as width,
       a.attlen < 0 as is_variable,
       -- a short value of variable length is stored with a one-byte header and is not aligned
       case when a.attlen < 0 and coalesce(s.stawidth, 32) < 127 then 1
            when a.attalign = 'd' then 8 when a.attalign = 'i' then 4 when a.attalign = 's' then 2 else 1
       end as alignment,
       coalesce(s.stanullfrac, 0) as null_share,
       coalesce(nullif(s.stadistinct, 0), -0.5) as distinct_values,
       coalesce((select sum(f) from unnest(m.frequencies) f), 0) as common_share,
       coalesce(cardinality(m.frequencies), 0) as common_values
  from pg_catalog.pg_index i
 cross join lateral generate_series(1, i.indnatts) as k(position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum = k.position
  left join pg_catalog.pg_attribute ta
    on ta.attrelid = i.indrelid and ta.attnum = i.indkey[k.position - 1] and ta.attnum > 0
  left join pg_catalog.pg_statistic s
    on s.starelid = case when ta.attnum is null then i.indexrelid else i.indrelid end
   and s.staattnum = coalesce(ta.attnum, a.attnum)
   and not s.stainherit
 -- kind 1: the most common values
 cross join lateral (select case 1 when s.stakind1 then s.stanumbers1 when s.stakind2 then s.stanumbers2
                                   when s.stakind3 then s.stanumbers3 when s.stakind4 then s.stanumbers4
                                   when s.stakind5 then s.stanumbers5 end) as m(frequencies)
 where i.indexrelid = any ($1::bigint[]::oid[])
 order by i.indexrelid, k.position
