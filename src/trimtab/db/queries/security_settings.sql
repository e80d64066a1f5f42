/* trimtab: all settings as a new session gets them, each once. What a database or a role is given is left to the rows of
   those: its value here is null, "scoped". Values that may hold secrets are digests. */
select array[s.name] as key,
       case when s.source in ('database', 'user', 'database user', 'client', 'interactive', 'test') then null
            when s.reset_val = '' or not (s.name = any($1::text[]) or (s.name ~ '[.]' and s.name !~ $2)) then s.reset_val
            else 'sha256:' || encode(sha256(textsend(s.reset_val)), 'hex') end as value,
       case when s.source in ('database', 'user', 'database user') then 'scoped'
            when s.source in ('client', 'session', 'interactive', 'test') then null
            else s.source end as source,
       s.pending_restart
  from pg_catalog.pg_settings s
 where s.name !~ '^(transaction_|in_hot_standby$|is_superuser$|session_authorization$|role$|seed$)'
   and s.name <> all($3::text[])
