/* trimtab: what the twin must know of the source's database and of a session in it */
select pg_catalog.pg_encoding_to_char(d.encoding)::text as encoding,
       coalesce(f.fields ->> 'datlocprovider', 'c') as provider,
       d.datcollate::text as collation,
       d.datctype::text as character_type,
       coalesce(f.fields ->> 'datlocale', f.fields ->> 'daticulocale', '') as locale,
       pg_catalog.current_setting('block_size')::bigint as block_bytes,
       pg_catalog.array_to_string(
           array(select pg_catalog.quote_ident(s) from pg_catalog.unnest(pg_catalog.current_schemas(false)) s), ', '
       ) as search_path,
       pg_catalog.current_setting('search_path') as written_search_path,
       (select pg_catalog.jsonb_object_agg(s.name, s.setting)
          from pg_catalog.pg_settings s
         where s.name in ('DateStyle', 'IntervalStyle', 'TimeZone', 'array_nulls', 'backslash_quote',
                          'default_text_search_config', 'standard_conforming_strings', 'transform_null_equals',
                          'xmloption')) as parsing,
       current_user::text as role
  from pg_catalog.pg_database d
 cross join lateral (select pg_catalog.to_jsonb(d)) as f(fields)
 where d.datname = pg_catalog.current_database()
