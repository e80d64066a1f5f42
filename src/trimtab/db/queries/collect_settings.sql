/* trimtab: which settings of the server are not their defaults? One whose value may hold a secret is told as a digest */
select s.name,
       case when s.name ~ '(conninfo|_command|password|secret|ssl_key|_library)' then 'md5 ' || pg_catalog.md5(s.setting)
            else s.setting || coalesce(' ' || s.unit, '') end as value,
       s.pending_restart
  from pg_catalog.pg_settings s
 where s.setting is distinct from s.boot_val
   and s.source not in ('default', 'override', 'client', 'session')
   and s.context not in ('internal')
 order by s.name
