/* trimtab: what the configuration files say, also where it needs a restart; $1 and $2 as in security_settings */
select array[f.name, row_number() over (partition by f.name order by f.seqno)::text] as key,
       f.name as setting,
       case when f.setting is null or f.setting = ''
                 or not (f.name = any($1::text[]) or (f.name ~ '[.]' and f.name !~ $2)) then f.setting
            else 'sha256:' || encode(sha256(textsend(f.setting)), 'hex') end as value,
       f.applied,
       f.error is not null as has_error
  from pg_catalog.pg_file_settings f
 where f.name is not null
