/* trimtab: functions and procedures of users; of the system's own those that run as their owner, that carry settings, or
   that are called LEAKPROOF. Of a body only a digest leaves the server. */
select array['"' || replace(n.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"('
       || coalesce((select pg_catalog.string_agg('"' || replace(t.nspname, '"', '""') || '"."'
                                                 || replace(t.typname, '"', '""') || '"', ', ' order by k.place)
                      from pg_catalog.unnest(p.proargtypes::oid[]) with ordinality as k(type, place)
                     -- offset 0: each type is looked up by its oid, not all of them for each function
                     cross join lateral (select tn.nspname, t.typname
                                           from pg_catalog.pg_type t
                                           join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
                                          where t.oid = k.type offset 0) t), '') || ')'] as key,
       p.oid < 16384 as is_system,
       p.prokind::text as kind,
       pg_catalog.pg_get_userbyid(p.proowner)::text as owner,
       l.lanname::text as language,
       p.prosecdef as security_definer,
       p.proleakproof as leakproof,
       p.provolatile::text as volatility,
       p.proisstrict as is_strict,
       case when p.oid >= 16384
            then encode(sha256(textsend(pg_catalog.pg_get_function_arguments(p.oid))), 'hex') end as arguments,
       (select substr(s, 13) from unnest(p.proconfig) s where s like 'search_path=%') as search_path,
       array(select split_part(s, '=', 1) || '=' || encode(sha256(textsend(substr(s, strpos(s, '=') + 1))), 'hex')
               from unnest(p.proconfig) s where s not like 'search_path=%' order by 1) as settings,
       case when p.oid >= 16384
            then encode(sha256(textsend(p.prosupport::text || coalesce(p.probin, '') || chr(10) || coalesce(p.prosrc, '') || chr(10)
                                        || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), ''))), 'hex')
            end as definition
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
 where p.oid >= 16384 or p.prosecdef or p.proleakproof or p.proconfig is not null
