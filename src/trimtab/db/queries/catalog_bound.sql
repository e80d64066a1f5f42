/* trimtab: what an approval is bound to of these tables ($1: oid[]) and is told nowhere else: per table and kind a digest.
   Expressions are hashed as the catalog stores them: printing them would lock the table. Oids of indexes are left out,
   since a rebuild changes them. */
with wanted as materialized (
    select c.* from pg_catalog.pg_class c where c.oid = any($1::oid[])
), fact (table_oid, kind, said) as (
    select c.oid, 'owner', pg_catalog.pg_get_userbyid(c.relowner)::text
      from wanted c
    union all
    select c.oid, 'storage',
           concat_ws(' ', c.relkind, c.relpersistence, c.relam, c.reltablespace, c.relispartition, c.relreplident,
                     c.reloptions::text)
      from wanted c
    union all
    select c.oid, 'row-level security', concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity)
      from wanted c
    union all
    select p.polrelid, 'row-level security', (pg_catalog.to_jsonb(p) - array['oid', 'polrelid'])::text
      from pg_catalog.pg_policy p
      join wanted c on c.oid = p.polrelid
    union all
    select a.attrelid, 'columns',
           concat_ws(' ', a.attnum, a.attnotnull, a.attidentity, a.attgenerated,
                     case when a.attgenerated <> '' then d.adbin::text end)
      from pg_catalog.pg_attribute a
      join wanted c on c.oid = a.attrelid
      left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attnum > 0 and not a.attisdropped
    union all
    select a.attrelid, 'collations of columns', concat_ws(' ', a.attnum, n.nspname, l.collname)
      from pg_catalog.pg_attribute a
      join wanted c on c.oid = a.attrelid
      join pg_catalog.pg_collation l on l.oid = a.attcollation
      join pg_catalog.pg_namespace n on n.oid = l.collnamespace
     where a.attnum > 0 and not a.attisdropped
    union all
    select c.oid, 'constraints', (pg_catalog.to_jsonb(k) - array['oid', 'conindid'])::text
      from pg_catalog.pg_constraint k
      join wanted c on c.oid = k.conrelid
     where k.contype <> 'n'
    union all
    select c.oid, 'constraints', (pg_catalog.to_jsonb(k) - array['oid', 'conindid'])::text
      from pg_catalog.pg_constraint k
      join wanted c on c.oid = k.confrelid
     where k.conrelid <> k.confrelid
)
select f.table_oid,
       f.kind,
       encode(sha256(replace(string_agg(f.said, chr(10) order by f.said collate "C"), chr(92), repeat(chr(92), 2))::bytea),
              'hex') as digest
  from fact f
 group by f.table_oid, f.kind
 order by f.table_oid, f.kind
