/* trimtab: collations that something of a user's is in; not those that every server has */
select n.nspname::text as schema, c.collname::text as name, c.collprovider::text as provider,
       coalesce(f.fields ->> 'colllocale', f.fields ->> 'colliculocale', c.collcollate::text) as locale,
       coalesce(c.collctype::text, '') as character_type,
       c.collisdeterministic as is_deterministic
  from pg_catalog.pg_collation c
  join pg_catalog.pg_namespace n on n.oid = c.collnamespace
 cross join lateral (select pg_catalog.to_jsonb(c)) as f(fields)
 where c.collprovider in ('c', 'i', 'b')
   and c.collname not in ('default', 'C', 'POSIX', 'ucs_basic')
   and c.oid in (
           select a.attcollation
             from pg_catalog.pg_attribute a
             join pg_catalog.pg_class r on r.oid = a.attrelid
             join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
            where rn.nspname <> 'information_schema' and rn.nspname !~ '^pg_'
           union
           select t.typcollation
             from pg_catalog.pg_type t
             join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
            where tn.nspname <> 'information_schema' and tn.nspname !~ '^pg_'
           union
           select k.oid from pg_catalog.pg_index i cross join lateral pg_catalog.unnest(i.indcollation) as k(oid)
           union
           select k.oid from pg_catalog.pg_partitioned_table p cross join lateral pg_catalog.unnest(p.partcollation) as k(oid)
           union
           select rngcollation from pg_catalog.pg_range
           union
           select d.refobjid
             from pg_catalog.pg_depend d
            where d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass
       )
 order by 1, 2
