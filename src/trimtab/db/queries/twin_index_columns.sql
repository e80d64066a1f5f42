/* trimtab: each column of an index with what the statistics know of it; an index's own statistics serve expressions */
select k.position <= i.indnkeyatts as is_key,
       case when a.attlen > 0 then a.attlen else coalesce(s.avg_width, 32) end as width,
       case a.attalign when 'd' then 8 when 'i' then 4 when 's' then 2 else 1 end as alignment,
       coalesce(s.null_frac, 0) as null_share,
       case when s.n_distinct is null then greatest(t.reltuples, 1) / 2
            when s.n_distinct < 0 then -s.n_distinct * greatest(t.reltuples, 1)
            else s.n_distinct end as distinct_values
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
 cross join lateral generate_series(1, i.indnatts) as k(position)
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid and a.attnum = k.position
  left join pg_catalog.pg_attribute ta on ta.attrelid = i.indrelid and ta.attnum = i.indkey[k.position - 1]
  left join lateral (select * from pg_catalog.pg_stats st
                      where st.schemaname = n.nspname
                        and ((st.tablename = t.relname and st.attname = ta.attname)
                          or (ta.attname is null and st.tablename = c.relname and st.attname = a.attname))
                      order by st.inherited limit 1) s on true
 where i.indexrelid = $1::bigint::oid
 order by k.position
