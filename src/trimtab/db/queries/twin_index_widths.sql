/* trimtab: bytes of the values that statistics hold of indexes' text and numeric columns, as they are in an index: of the
   most common, with their shares of the rows, and of the histogram's */
select i.indexrelid::bigint as oid,
       k.position::int as position,
       array(select case when t.typcategory = 'S' then pg_catalog.octet_length(v.value) + 1
                         else pg_catalog.pg_column_size(v.value::numeric) - 3 end
               from pg_catalog.unnest(h.common::text::text[]) with ordinality as v(value, place)
              order by v.place) as common,
       coalesce(h.shares, '{}') as shares,
       array(select case when t.typcategory = 'S' then pg_catalog.octet_length(v.value) + 1
                         else pg_catalog.pg_column_size(v.value::numeric) - 3 end
               from pg_catalog.unnest(h.bounds::text::text[]) as v(value)) as others
  from pg_catalog.pg_index i
 cross join lateral pg_catalog.generate_series(1, i.indnatts) as k(position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum = k.position
  join pg_catalog.pg_type t on t.oid = a.atttypid
  join pg_catalog.pg_statistic s
    on s.starelid = case when i.indkey[k.position - 1] = 0 then i.indexrelid else i.indrelid end
   and s.staattnum = case when i.indkey[k.position - 1] = 0 then a.attnum else i.indkey[k.position - 1] end
   and not s.stainherit
 -- kinds 1 and 2: the most common values, the histogram
 cross join lateral (select case 1 when s.stakind1 then s.stavalues1 when s.stakind2 then s.stavalues2
                                   when s.stakind3 then s.stavalues3 when s.stakind4 then s.stavalues4
                                   when s.stakind5 then s.stavalues5 end,
                            case 1 when s.stakind1 then s.stanumbers1 when s.stakind2 then s.stanumbers2
                                   when s.stakind3 then s.stanumbers3 when s.stakind4 then s.stanumbers4
                                   when s.stakind5 then s.stanumbers5 end,
                            case 2 when s.stakind1 then s.stavalues1 when s.stakind2 then s.stavalues2
                                   when s.stakind3 then s.stavalues3 when s.stakind4 then s.stavalues4
                                   when s.stakind5 then s.stavalues5 end) as h(common, shares, bounds)
 where i.indexrelid = any ($1::bigint[]::oid[])
   and (h.bounds is not null or h.common is not null)
   and (t.typcategory = 'S' or t.oid = 'pg_catalog.numeric'::regtype)
