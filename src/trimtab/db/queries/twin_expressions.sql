/* trimtab: expressions of indexes ($1: of this one only) whose operator class keeps another type than they have */
select n.nspname::text as schema, c.relname::text as index, a.attnum::int as number,
       pg_catalog.format('%I.%I', tn.nspname, t.relname) as table,
       pg_catalog.pg_get_indexdef(i.indexrelid, a.attnum, false) as expression
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_class t on t.oid = i.indrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = i.indexrelid
  join pg_catalog.pg_opclass o on o.oid = i.indclass[a.attnum - 1] and o.opckeytype <> 0
 where i.indexprs is not null
   and a.attnum <= i.indnkeyatts
   and i.indkey[a.attnum - 1] = 0
   and ($1::text is null or c.relname = $1::text)
