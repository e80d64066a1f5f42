/* trimtab: how the passwords of roles are hashed. The kind is read and, of SCRAM, how often it is hashed; never the hash. */
select array[a.rolname::text] as key,
       case when a.rolpassword is null then 'none'
            when a.rolpassword like 'SCRAM-SHA-256$%' then 'scram-sha-256'
            when a.rolpassword ~ '^md5[0-9a-f]{32}$' then 'md5'
            else 'other' end as hash,
       substring(a.rolpassword from '^SCRAM-SHA-256[$]([0-9]{1,9}):')::int as iterations
  from pg_catalog.pg_authid a
 where a.rolcanlogin or a.rolpassword is not null
