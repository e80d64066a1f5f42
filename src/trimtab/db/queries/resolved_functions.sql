/* trimtab: of the functions named ($1: schemas as written, '' for none; $2: names), as this session would resolve them,
   whatever their arguments: are all of them PostgreSQL's own, is one volatile, does one run with its owner's rights?
   An aggregate is what the functions are that it is made of. */
select w.schema,
       w.name,
       pg_catalog.bool_and(n.nspname in ('pg_catalog', 'information_schema')) as is_builtin,
       pg_catalog.bool_or(p.provolatile = 'v' or coalesce(part.is_volatile, false)) as is_volatile,
       pg_catalog.bool_or(p.prosecdef or coalesce(part.runs_as_owner, false)) as runs_as_owner
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
  join pg_catalog.pg_proc p on p.proname = w.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  left join lateral (
      select pg_catalog.bool_or(f.provolatile = 'v') as is_volatile, pg_catalog.bool_or(f.prosecdef) as runs_as_owner
        from pg_catalog.pg_aggregate a
        join pg_catalog.pg_proc f on f.oid in (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                               a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
       where a.aggfnoid = p.oid) part on true
 where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_function_is_visible(p.oid))
 group by w.schema, w.name
