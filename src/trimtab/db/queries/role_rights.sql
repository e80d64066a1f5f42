/* trimtab: which rights does this session's role have, by itself or by SET ROLE to one that it is a member of, that neither
   reading nor changing indexes, statistics and settings needs? Whoever connected ($1), and whoever the session's user is, can
   be again, by RESET SESSION AUTHORIZATION and RESET ROLE, whatever role a setting has put in their place. What is granted
   one by one counts as what the predefined role of the same power does. */
with mine as materialized (
    select distinct r.oid
      from pg_catalog.pg_roles me
      join pg_catalog.pg_roles r on pg_catalog.pg_has_role(me.oid, r.oid, 'member')
     where me.rolname in (current_user, session_user, $1::text::name) and not me.rolsuper
), held(place, what) as (
    select 1, 'superuser'
      from pg_catalog.pg_roles me
      join pg_catalog.pg_roles r on r.rolsuper and pg_catalog.pg_has_role(me.oid, r.oid, 'member')
     where me.rolname in (current_user, session_user, $1::text::name)
    union
    select 2, 'createrole' from mine join pg_catalog.pg_roles r using (oid) where r.rolcreaterole
    union
    select 3, 'createdb' from mine join pg_catalog.pg_roles r using (oid) where r.rolcreatedb
    union
    select 4, 'replication' from mine join pg_catalog.pg_roles r using (oid) where r.rolreplication
    union
    select 5, r.rolname::text from mine join pg_catalog.pg_roles r using (oid)
     where r.rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
                         'pg_write_all_data', 'pg_create_subscription', 'pg_signal_backend',
                         'pg_signal_autovacuum_worker', 'pg_checkpoint', 'pg_maintain')
    union
    select 6, 'EXECUTE on ' || p.proname
      from mine
      join pg_catalog.pg_proc p on p.pronamespace = 'pg_catalog'::regnamespace
                               and p.proname in ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file',
                                                 'pg_file_write', 'pg_file_rename', 'pg_file_unlink', 'lo_import',
                                                 'lo_export', 'pg_reload_conf', 'pg_rotate_logfile', 'pg_promote',
                                                 'pg_switch_wal', 'pg_create_restore_point', 'pg_wal_replay_pause',
                                                 'pg_wal_replay_resume', 'pg_start_backup', 'pg_stop_backup',
                                                 'pg_backup_start', 'pg_backup_stop')
      -- adminpack has one in SQL, which does nothing that its caller could not
      join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname <> 'sql'
     where pg_catalog.has_function_privilege(mine.oid, p.oid, 'EXECUTE')
    union
    select 8, 'functions in ' || l.lanname
      from mine
      join pg_catalog.pg_language l on l.lanpltrusted and l.lanname ~ '^(c|internal)$|u$'
     where pg_catalog.has_language_privilege(mine.oid, l.oid, 'USAGE')
)
select what from held group by what order by min(place), what
