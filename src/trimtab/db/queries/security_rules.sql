/* trimtab: rewrite rules other than those that make a view */
select array[n.nspname::text, c.relname::text, w.rulename::text] as key,
       array[n.nspname::text, c.relname::text] as "table",
       w.ev_enabled::text as enabled,
       encode(sha256(textsend(pg_catalog.pg_get_ruledef(w.oid))), 'hex') as definition
  from pg_catalog.pg_rewrite w
  join pg_catalog.pg_class c on c.oid = w.ev_class
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where w.rulename <> '_RETURN' and w.ev_class >= 16384
