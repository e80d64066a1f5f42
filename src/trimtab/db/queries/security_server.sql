/* trimtab: which version this is, and whether the view that CVE-2024-4317 is about was replaced: a newer version does not
   do that, and the new view asks who owns the table. Of the system's own functions one digest for all. */
select array['server'] as key,
       pg_catalog.current_setting('server_version_num')::int as version,
       pg_catalog.pg_is_in_recovery() as is_standby,
       pg_catalog.pg_get_viewdef('pg_catalog.pg_stats_ext'::regclass) like '%pg_has_role%'
           as has_fixed_statistics_view,
       (select encode(sha256(textsend(string_agg(p.oid::text || ' ' || p.prolang::text || ' ' || p.prosrc || ' '
                                                 || coalesce(p.probin, '') || ' ' || p.provolatile::text
                                                 || ' ' || p.proisstrict::text, chr(10) order by p.oid))), 'hex')
          from pg_catalog.pg_proc p
         where p.oid < 16384) as system_functions
