/* trimtab: which names of the system may be which roles */
select array[coalesce(m.map_name, ''), coalesce(m.sys_name, ''), coalesce(m.pg_username, '')] as key,
       m.error is not null as has_error
  from pg_catalog.pg_ident_file_mappings m
