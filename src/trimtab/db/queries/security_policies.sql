/* trimtab: row security policies; of their expressions only digests leave the server */
select array[n.nspname::text, c.relname::text, p.polname::text] as key,
       array[n.nspname::text, c.relname::text] as "table",
       p.polcmd::text as command,
       p.polpermissive as is_permissive,
       array(select case when r = 0 then 'PUBLIC' else coalesce(a.rolname::text, r::text) end
               from unnest(p.polroles) r left join pg_catalog.pg_roles a on a.oid = r order by 1) as roles,
       encode(sha256(textsend(pg_catalog.pg_get_expr(p.polqual, p.polrelid))), 'hex') as using_digest,
       encode(sha256(textsend(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))), 'hex') as check_digest
  from pg_catalog.pg_policy p
  join pg_catalog.pg_class c on c.oid = p.polrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
