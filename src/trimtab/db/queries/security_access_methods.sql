/* trimtab: access methods that are not the system's: their handlers are code in the server's process */
select array[a.amname::text] as key, a.amtype::text as type, a.amhandler::regproc::text as handler
  from pg_catalog.pg_am a
 where a.oid >= 16384
