/* trimtab: each column of indexes with what the statistics know of it; an index's own statistics serve expressions */
select i.indexrelid::bigint as oid,
       k.position <= i.indnkeyatts as is_key,
       coalesce(ta.attnum, 0) as number,
       case when a.attlen > 0 then a.attlen else coalesce(s.avg_width, 32) end as width,
       a.attlen < 0 as is_variable,
       -- a short value of variable length is stored with a one-byte header and is not aligned
       case when a.attlen < 0 and coalesce(s.avg_width, 32) < 127 then 1
            when a.attalign = 'd' then 8 when a.attalign = 'i' then 4 when a.attalign = 's' then 2 else 1
       end as alignment,
       coalesce(s.null_frac, 0) as null_share,
       coalesce(s.n_distinct, -0.5) as distinct_values,
       coalesce((select sum(f) from unnest(s.most_common_freqs) f), 0) as common_share,
       coalesce(cardinality(s.most_common_freqs), 0) as common_values
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
 cross join lateral generate_series(1, i.indnatts) as k(position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum = k.position
  left join pg_catalog.pg_attribute ta
    on ta.attrelid = i.indrelid and ta.attnum = i.indkey[k.position - 1] and ta.attnum > 0
  left join lateral (select * from pg_catalog.pg_stats st
                      where st.schemaname = n.nspname
                        and ((st.tablename = t.relname and st.attname = ta.attname)
                          or (ta.attname is null and st.tablename = c.relname and st.attname = a.attname))
                      order by st.inherited limit 1) s on true
 where i.indexrelid = any ($1::bigint[]::oid[])
 order by i.indexrelid, k.position
