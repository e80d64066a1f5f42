/* trimtab: of the functions named ($1: schemas as written, '' for none; $2: names), as this session would resolve them,
   whatever their arguments: are all of them PostgreSQL's own, is one volatile, does one run with its owner's rights? */
select w.schema,
       w.name,
       pg_catalog.bool_and(n.nspname in ('pg_catalog', 'information_schema')) as is_builtin,
       pg_catalog.bool_or(p.provolatile = 'v') as is_volatile,
       pg_catalog.bool_or(p.prosecdef) as runs_as_owner
  from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as w(schema, name)
  join pg_catalog.pg_proc p on p.proname = w.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
 where n.nspname = w.schema or (w.schema = '' and pg_catalog.pg_function_is_visible(p.oid))
 group by w.schema, w.name
