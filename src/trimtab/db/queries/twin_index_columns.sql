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
       coalesce(m.frequencies, '{}') as frequencies,
       coalesce(o.opcname::text, '') as operator_class,
       coalesce(opn.nspname::text, '') as operator_class_schema,
       coalesce(s.stawidth, 0) as stored_width,
       coalesce(m.elements, '{}') as elements,
       coalesce(m.counts[cardinality(m.counts)], 0) as element_count,
       coalesce(a.attoptions, '{}') as options,
       pg_catalog.pg_get_indexdef(i.indexrelid, k.position, false) as expression
  from pg_catalog.pg_index i
 cross join lateral generate_series(1, i.indnatts) as k(position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum = k.position
  left join pg_catalog.pg_opclass o on k.position <= i.indnkeyatts and o.oid = i.indclass[k.position - 1]
  left join pg_catalog.pg_namespace opn on opn.oid = o.opcnamespace
  left join pg_catalog.pg_attribute ta
    on ta.attrelid = i.indrelid and ta.attnum = i.indkey[k.position - 1] and ta.attnum > 0
  left join pg_catalog.pg_statistic s
    on s.starelid = case when ta.attnum is null then i.indexrelid else i.indrelid end
   and s.staattnum = coalesce(ta.attnum, a.attnum)
   and not s.stainherit
 -- kinds 1, 4 and 5: the most common values, the most common elements, the numbers of elements
 cross join lateral (
        select case 1 when s.stakind1 then s.stanumbers1 when s.stakind2 then s.stanumbers2
                      when s.stakind3 then s.stanumbers3 when s.stakind4 then s.stanumbers4
                      when s.stakind5 then s.stanumbers5 end,
               case 4 when s.stakind1 then s.stanumbers1 when s.stakind2 then s.stanumbers2
                      when s.stakind3 then s.stanumbers3 when s.stakind4 then s.stanumbers4
                      when s.stakind5 then s.stanumbers5 end,
               case 5 when s.stakind1 then s.stanumbers1 when s.stakind2 then s.stanumbers2
                      when s.stakind3 then s.stanumbers3 when s.stakind4 then s.stanumbers4
                      when s.stakind5 then s.stanumbers5 end) as m(frequencies, elements, counts)
 where i.indexrelid = any ($1::bigint[]::oid[])
 order by i.indexrelid, k.position
