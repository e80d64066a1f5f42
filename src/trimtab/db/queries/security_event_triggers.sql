/* trimtab: event triggers */
select array[e.evtname::text] as key, e.evtevent::text as event, e.evtenabled::text as enabled,
       pg_catalog.pg_get_userbyid(e.evtowner)::text as owner,
       quote_ident(n.nspname) || '.' || quote_ident(p.proname) as function,
       coalesce(e.evttags, '{}') as tags
  from pg_catalog.pg_event_trigger e
  join pg_catalog.pg_proc p on p.oid = e.evtfoid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
