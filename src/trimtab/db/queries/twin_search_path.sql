/* trimtab: what the search path means to the current role */
select pg_catalog.array_to_string(
           array(select pg_catalog.quote_ident(s) from pg_catalog.unnest(pg_catalog.current_schemas(false)) s), ', '
       ) as search_path
