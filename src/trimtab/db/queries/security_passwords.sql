/* trimtab: how the passwords of roles are hashed. Only the kind is read, never the hash. */
select array[a.rolname::text] as key,
       case when a.rolpassword is null then 'none'
            when a.rolpassword like 'SCRAM-SHA-256$%' then 'scram-sha-256'
            when a.rolpassword ~ '^md5[0-9a-f]{32}$' then 'md5'
            else 'other' end as hash
  from pg_catalog.pg_authid a
 where a.rolcanlogin or a.rolpassword is not null
