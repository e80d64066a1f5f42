/* trimtab: store statistics of columns in the twin as ANALYZE would have; gives the places of what was stored.
   Kinds: 1 common values, 2 histogram, 3 correlation, 4 elements, 5 element counts, 6 range lengths, 7 range bounds. */
with recursive step(oid, base) as (
    select t.oid, t.typbasetype from pg_catalog.pg_type t where t.typtype = 'd'
    union all
    select s.oid, t.typbasetype from step s join pg_catalog.pg_type t on t.oid = s.base and t.typtype = 'd'
), domain as (
    select s.oid, s.base from step s join pg_catalog.pg_type t on t.oid = s.base and t.typtype <> 'd'
), wanted as (
    select w.place, w.is_inherited, w.null_fraction, w.width, w.distinct_values, w.correlation, w.common_values,
           w.common_shares, w.histogram, w.elements, w.element_shares, w.element_counts, w.length_histogram,
           w.empty_share, w.bounds_histogram,
           c.oid as relation_oid, a.attnum, a.attcollation as collation_oid, b.oid as base,
           case when b.oid = 'pg_catalog.tsvector'::regtype then 'pg_catalog.text'::regtype::oid
                when b.typlen = -1 and b.typcategory = 'A' then b.typelem end as element,
           case when b.typtype = 'r' then b.oid
                else (select (to_jsonb(r) ->> 'rngtypid')::oid from pg_catalog.pg_range r
                       where to_jsonb(r) ->> 'rngmultitypid' = b.oid::text and b.typtype = 'm') end as range
      from rows from (
               pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
               pg_catalog.unnest($4::int[]), pg_catalog.unnest($5::bigint[]), pg_catalog.unnest($6::boolean[]),
               pg_catalog.unnest($7::real[]), pg_catalog.unnest($8::int[]), pg_catalog.unnest($9::real[]),
               pg_catalog.unnest($10::real[]), pg_catalog.unnest($11::text[]), pg_catalog.unnest($12::text[]),
               pg_catalog.unnest($13::text[]), pg_catalog.unnest($14::text[]), pg_catalog.unnest($15::text[]),
               pg_catalog.unnest($16::text[]), pg_catalog.unnest($17::text[]), pg_catalog.unnest($18::real[]),
               pg_catalog.unnest($19::text[])
           ) with ordinality as w(schema, relation, "column", number, type, is_inherited, null_fraction, width,
                                  distinct_values, correlation, common_values, common_shares, histogram, elements,
                                  element_shares, element_counts, length_histogram, empty_share, bounds_histogram,
                                  place)
      join pg_catalog.pg_namespace n on n.nspname = w.schema
                                     or w.schema is null and n.oid = pg_catalog.pg_my_temp_schema()
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.relation
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and not a.attisdropped
       and case when w.number is null then a.attname = w."column" else a.attnum = w.number end
      left join domain d on d.oid = coalesce(w.type::oid, a.atttypid)
      join pg_catalog.pg_type b on b.oid = coalesce(d.base, w.type::oid, a.atttypid)
), compared as (
    select t.oid, o.equal, o.less
      from (select w.base from wanted w union select w.element from wanted w where w.element is not null) as k(oid)
      left join domain d on d.oid = k.oid
      join pg_catalog.pg_type t on t.oid = coalesce(d.base, k.oid)
      left join lateral (
          select e.amopopr as equal, l.amopopr as less
            from pg_catalog.pg_opclass o
            join pg_catalog.pg_am m on m.oid = o.opcmethod and m.amname in ('btree', 'hash')
            join pg_catalog.pg_type i on i.oid = o.opcintype
            join pg_catalog.pg_amop e
              on e.amopfamily = o.opcfamily and e.amoplefttype = o.opcintype and e.amoprighttype = o.opcintype
             and e.amopstrategy = case m.amname when 'btree' then 3 else 1 end
            left join pg_catalog.pg_amop l
              on m.amname = 'btree' and l.amopfamily = o.opcfamily and l.amoplefttype = o.opcintype
             and l.amoprighttype = o.opcintype and l.amopstrategy = 1
           where o.opcdefault
             and (o.opcintype = t.oid
                  or i.typname = case t.typtype when 'e' then 'anyenum' when 'r' then 'anyrange'
                                                when 'm' then 'anymultirange' when 'c' then 'record'
                                                else case when t.typlen = -1 and t.typcategory = 'A' then 'anyarray' end
                                 end
                  or exists (select from pg_catalog.pg_cast x
                              where x.castsource = t.oid and x.casttarget = o.opcintype
                                and x.castmethod = 'b' and x.castcontext = 'i'))
           order by m.amname = 'btree' desc, o.opcintype = t.oid desc, i.typispreferred desc
           limit 1) as o on true
), valued as (
    select w.*, coalesce(o.equal, 0) as equal, coalesce(o.less, 0) as less, coalesce(e.equal, 0) as element_equal,
           case when w.base = 'pg_catalog.tsvector'::regtype then 100 else w.collation_oid end as element_collation,
           w.common_shares::real[] as n1, w.element_shares::real[] as n4,
           w.element_counts::real[] as n5,
           pg_catalog.array_in(pg_catalog.textout(w.common_values), w.base, -1) as v1,
           pg_catalog.array_in(pg_catalog.textout(w.histogram), w.base, -1) as v2,
           case when w.element is not null
                then pg_catalog.array_in(pg_catalog.textout(w.elements), w.element, -1) end as v4,
           pg_catalog.array_in(pg_catalog.textout(w.length_histogram), 'pg_catalog.float8'::regtype, -1) as v6,
           case when w.range is not null
                then pg_catalog.array_in(pg_catalog.textout(w.bounds_histogram), w.range, -1) end as v7
      from wanted w
      left join compared o on o.oid = w.base
      left join domain d on d.oid = w.element
      left join compared e on e.oid = coalesce(d.base, w.element)
), kinds as (
    -- a slot whose parts do not fit together would lead the planner out of bounds
    select v.*,
           case when pg_catalog.cardinality(v.v1) = pg_catalog.cardinality(v.n1) then 1 else 0 end as k1,
           case when pg_catalog.cardinality(v.v2) > 1 then 2 else 0 end as k2,
           case when v.correlation is not null then 3 else 0 end as k3,
           case when pg_catalog.cardinality(v.v4) + 2 <= pg_catalog.cardinality(v.n4) then 4
                when v.v6 is not null and v.range is not null then 6 else 0 end as k4,
           case when pg_catalog.cardinality(v.n5) > 1 then 5
                when pg_catalog.cardinality(v.v7) > 1 then 7 else 0 end as k5
      from valued v
), stored as (
    insert into pg_catalog.pg_statistic (
        starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct,
        stakind1, staop1, stacoll1, stanumbers1, stavalues1,
        stakind2, staop2, stacoll2, stanumbers2, stavalues2,
        stakind3, staop3, stacoll3, stanumbers3, stavalues3,
        stakind4, staop4, stacoll4, stanumbers4, stavalues4,
        stakind5, staop5, stacoll5, stanumbers5, stavalues5)
    select k.relation_oid, k.attnum, k.is_inherited, k.null_fraction, k.width, k.distinct_values,
           k.k1, case when k.k1 = 0 then 0 else k.equal end, case when k.k1 = 0 then 0 else k.collation_oid end,
           case when k.k1 = 1 then k.n1 end, case when k.k1 = 1 then k.v1 end,
           k.k2, case when k.k2 = 0 then 0 else k.less end, case when k.k2 = 0 then 0 else k.collation_oid end,
           null, case when k.k2 = 2 then k.v2 end,
           k.k3, case when k.k3 = 0 then 0 else k.less end, case when k.k3 = 0 then 0 else k.collation_oid end,
           case when k.k3 = 3 then array[k.correlation] end, null,
           k.k4, case k.k4 when 4 then k.element_equal when 6 then 672 else 0 end,
           case when k.k4 = 4 then k.element_collation else 0 end,
           case k.k4 when 4 then k.n4 when 6 then array[k.empty_share] end,
           case k.k4 when 4 then k.v4 when 6 then k.v6 end,
           k.k5, case when k.k5 = 5 then k.element_equal else 0 end,
           case when k.k5 = 5 then k.element_collation else 0 end,
           case when k.k5 = 5 then k.n5 end, case when k.k5 = 7 then k.v7 end
      from kinds k
    returning starelid, staattnum, stainherit
)
select w.place::int - 1 as place
  from stored s
  join wanted w on w.relation_oid = s.starelid and w.attnum = s.staattnum and w.is_inherited = s.stainherit
