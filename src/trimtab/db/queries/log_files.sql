/* trimtab: the files in log_directory, and how they may be read (pg_monitor, and EXECUTE on pg_read_binary_file) */
select f.name,
       f.size as size_bytes,
       (extract(epoch from f.modification) * 1000000000)::int8 as modified_ns
  from pg_catalog.pg_ls_logdir() f
 order by f.modification, f.name
