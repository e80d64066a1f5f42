/* trimtab: may this role list the files of the log, and read pieces of them? */
select pg_catalog.has_function_privilege('pg_catalog.pg_ls_logdir()', 'execute') as may_list,
       pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text, int8, int8, bool)', 'execute') as may_read
