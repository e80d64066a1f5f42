/* trimtab: constraints of tables and domains but NOT NULL, which is with the tables; of their texts only digests */
select array[n.nspname::text, coalesce(c.relname::text, t.typname::text), k.conname::text] as key,
       case when c.oid is not null then array[n.nspname::text, c.relname::text] end as "table",
       k.contype::text as kind, k.convalidated as is_validated, k.conenforced as is_enforced,
       k.condeferrable as is_deferrable, k.condeferred as is_deferred,
       encode(sha256(textsend(pg_catalog.pg_get_constraintdef(k.oid))), 'hex') as definition
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_namespace n on n.oid = k.connamespace
  left join pg_catalog.pg_class c on c.oid = k.conrelid
  left join pg_catalog.pg_type t on t.oid = k.contypid
 where k.contype in ('c', 'f', 'p', 'u', 'x') and k.oid >= 16384 and coalesce(c.relpersistence <> 't', true)
