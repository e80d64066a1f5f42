/* trimtab: the settings that this role is shown, and that hold a password or what looks like one. */
select name
  from pg_catalog.pg_settings
 where name in ('primary_conninfo', 'ssl_passphrase_command', 'archive_command', 'restore_command',
                'archive_cleanup_command', 'recovery_end_command')
   and setting ~* 'pass|secret|token|key|credential'
