/* trimtab: types of users but for domains, rows of tables and arrays: who owns them, and what reads and writes them */
select array[n.nspname::text, t.typname::text] as key,
       pg_catalog.pg_get_userbyid(t.typowner)::text as owner,
       t.typtype::text as kind,
       encode(sha256(textsend(array_to_string(array[
           t.typinput::regproc::text, t.typoutput::regproc::text, t.typreceive::regproc::text, t.typsend::regproc::text,
           t.typmodin::regproc::text, t.typmodout::regproc::text, t.typanalyze::regproc::text, t.typlen::text,
           t.typbyval::text, t.typalign::text, t.typcategory::text, t.typispreferred::text], ' '))), 'hex') as definition
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  left join pg_catalog.pg_class c on c.oid = t.typrelid
 where t.oid >= 16384 and t.typtype <> 'd' and (t.typrelid = 0 or c.relkind = 'c')
   and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
