/* trimtab: which version this is, and whether the view that CVE-2024-4317 is about was replaced: a newer version does not
   do that, and the new view asks who owns the table. Of the system's own functions one digest for all,
   and one of its operators, casts, operator classes, access methods and aggregates. */
select array['server'] as key,
       pg_catalog.current_setting('server_version_num')::int as version,
       pg_catalog.pg_is_in_recovery() as is_standby,
       pg_catalog.pg_get_viewdef('pg_catalog.pg_stats_ext'::regclass) like '%pg_has_role%'
           as has_fixed_statistics_view,
       (select encode(sha256(textsend(string_agg(p.oid::text || ' ' || p.prolang::text || ' ' || p.prosrc || ' '
                                                 || coalesce(p.probin, '') || ' ' || p.prosupport::text || ' ' || p.provolatile::text
                                                 || ' ' || p.proisstrict::text || ' '
                                                 || coalesce(pg_catalog.regexp_replace(
                                                        p.prosqlbody::text, ':location -?[0-9]+', '', 'g'), ''),
                                                 chr(10) order by p.oid))), 'hex')
          from pg_catalog.pg_proc p
         where p.oid < 16384) as system_functions,
       (select encode(sha256(textsend(string_agg(found.said, chr(10) order by found.said))), 'hex')
          from (select o::text from pg_catalog.pg_operator o where o.oid < 16384
                union all select c::text from pg_catalog.pg_cast c where c.oid < 16384
                union all select a::text from pg_catalog.pg_amop a where a.oid < 16384
                union all select a::text from pg_catalog.pg_amproc a where a.oid < 16384
                union all select c::text from pg_catalog.pg_opclass c where c.oid < 16384
                union all select a::text from pg_catalog.pg_am a where a.oid < 16384
                union all select a::text from pg_catalog.pg_aggregate a where a.aggfnoid::oid < 16384) found(said))
           as system_objects
