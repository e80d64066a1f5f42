/* trimtab: triggers of users, and those of constraints that do not fire as they should */
select array[n.nspname::text, c.relname::text,
             case when t.tgisinternal then k.conname::text || ' ' || p.proname::text else t.tgname::text end] as key,
       array[n.nspname::text, c.relname::text] as "table",
       t.tgisinternal as is_internal,
       t.tgenabled::text as enabled,
       case when not t.tgisinternal then quote_ident(fn.nspname) || '.' || quote_ident(p.proname) end as function,
       case when not t.tgisinternal
            then encode(sha256(textsend(pg_catalog.pg_get_triggerdef(t.oid))), 'hex') end as definition
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_class c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  join pg_catalog.pg_namespace fn on fn.oid = p.pronamespace
  left join pg_catalog.pg_constraint k on k.oid = t.tgconstraint
 where (not t.tgisinternal or t.tgenabled <> 'O') and c.relpersistence <> 't'
