/* trimtab: where HypoPG is installed, or no schema and whether it could be */
select (select n.nspname::text from pg_catalog.pg_extension e
          join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'hypopg') as schema,
       exists (select from pg_catalog.pg_available_extensions a where a.name = 'hypopg') as is_available
