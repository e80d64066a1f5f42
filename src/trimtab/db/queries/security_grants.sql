/* trimtab: what is granted to others than the owner. A null ACL is the built-in default; of the system's own objects
   only those count that have an ACL, since theirs are the ones that were ever restricted. */
with acl(kind, names, owner, items) as (
    select case c.relkind when 'S' then 'sequence' else 'relation' end,
           array[n.nspname::text, c.relname::text], c.relowner, c.relacl
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relacl is not null and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't'
    union all
    select 'column', array[n.nspname::text, c.relname::text, a.attname::text], c.relowner, a.attacl
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where a.attacl is not null and not a.attisdropped and c.relpersistence <> 't'
    union all
    select 'function', array[n.nspname::text, p.proname::text, pg_catalog.oidvectortypes(p.proargtypes)], p.proowner,
           coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where p.proacl is not null or p.oid >= 16384
    union all
    select 'schema', array[n.nspname::text], n.nspowner, n.nspacl
      from pg_catalog.pg_namespace n
     where n.nspacl is not null and n.nspname !~ '^pg_(toast_)?temp_'
    union all
    select 'database', array[d.datname::text], d.datdba, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))
      from pg_catalog.pg_database d
    union all
    select 'language', array[l.lanname::text], l.lanowner, coalesce(l.lanacl, pg_catalog.acldefault('l', l.lanowner))
      from pg_catalog.pg_language l
    union all
    select 'type', array[n.nspname::text, t.typname::text], t.typowner,
           coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))
      from pg_catalog.pg_type t
      join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      left join pg_catalog.pg_class c on c.oid = t.typrelid
     where t.typacl is not null
        or (t.oid >= 16384 and (t.typrelid = 0 or c.relkind = 'c')
            and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid))
    union all
    select 'foreign-data wrapper', array[w.fdwname::text], w.fdwowner, w.fdwacl
      from pg_catalog.pg_foreign_data_wrapper w where w.fdwacl is not null
    union all
    select 'foreign server', array[s.srvname::text], s.srvowner, s.srvacl
      from pg_catalog.pg_foreign_server s where s.srvacl is not null
    union all
    select 'tablespace', array[t.spcname::text], t.spcowner, t.spcacl
      from pg_catalog.pg_tablespace t where t.spcacl is not null
    union all
    select 'default', array[r.rolname::text, coalesce(n.nspname::text, ''), a.defaclobjtype::text], a.defaclrole,
           a.defaclacl
      from pg_catalog.pg_default_acl a
      join pg_catalog.pg_roles r on r.oid = a.defaclrole
      left join pg_catalog.pg_namespace n on n.oid = a.defaclnamespace
)
select array[acl.kind] || acl.names || array[case when x.grantee = 0 then 'PUBLIC'
                                                  else coalesce(r.rolname::text, x.grantee::text) end] as key,
       acl.kind, acl.names as object,
       x.grantee = 0 as is_public,
       array_agg(x.privilege_type || case when x.is_grantable then '*' else '' end order by x.privilege_type) as privileges
  from acl
 cross join lateral pg_catalog.aclexplode(acl.items) x
  left join pg_catalog.pg_roles r on r.oid = x.grantee
 where x.grantee <> acl.owner
 group by acl.kind, acl.names, x.grantee, r.rolname
