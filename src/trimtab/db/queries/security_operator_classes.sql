/* trimtab: operator classes of users: by which an index of a type is ordered, and whether it is by default */
select array[n.nspname::text, c.opcname::text, a.amname::text] as key,
       pg_catalog.pg_get_userbyid(c.opcowner)::text as owner,
       c.opcdefault as is_default,
       c.opcintype::regtype::text as type,
       case when c.opckeytype <> 0 then c.opckeytype::regtype::text end as stored_as,
       quote_ident(fn.nspname) || '.' || quote_ident(f.opfname) as family
  from pg_catalog.pg_opclass c
  join pg_catalog.pg_namespace n on n.oid = c.opcnamespace
  join pg_catalog.pg_am a on a.oid = c.opcmethod
  join pg_catalog.pg_opfamily f on f.oid = c.opcfamily
  join pg_catalog.pg_namespace fn on fn.oid = f.opfnamespace
 where c.oid >= 16384
