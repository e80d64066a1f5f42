/* trimtab: what is the engine, and which versions of extensions are there? */
select pg_catalog.version() as engine,
       coalesce((select pg_catalog.jsonb_object_agg(e.extname, e.extversion) from pg_catalog.pg_extension e),
                '{}') as extensions
