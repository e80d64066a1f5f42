/* trimtab: conversions of users between encodings: a default one decides what a client's bytes become */
select array[n.nspname::text, c.conname::text] as key,
       pg_catalog.pg_get_userbyid(c.conowner)::text as owner,
       c.condefault as is_default,
       pg_catalog.pg_encoding_to_char(c.conforencoding)::text as source,
       pg_catalog.pg_encoding_to_char(c.contoencoding)::text as target,
       c.conproc::regproc::text as function
  from pg_catalog.pg_conversion c
  join pg_catalog.pg_namespace n on n.oid = c.connamespace
 where c.oid >= 16384
