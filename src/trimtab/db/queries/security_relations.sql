/* trimtab: tables, views, materialized views, sequences and foreign tables of users, and the system's own views, which
   hide rows of its tables: owner, row security, what a view rests on. Of a view's text only a digest leaves the server. */
with recursive users as materialized (
    select c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.relpersistence, c.relrowsecurity,
           c.relforcerowsecurity, c.relreplident, c.reloptions, c.relnatts, c.reltoastrelid
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't' and (c.oid >= 16384 or c.relkind = 'v')
       and n.nspname !~ '^pg_toast'
), reads(view, relation) as (
    select distinct w.ev_class, d.refobjid
      from pg_catalog.pg_rewrite w
      join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = w.oid
                                 and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> w.ev_class
     where w.rulename = '_RETURN' and w.ev_class >= 16384
), all_reads(view, relation) as (
    select view, relation from reads
    union
    select a.view, r.relation from all_reads a join reads r on r.view = a.relation
)
select array[u.nspname::text, u.relname::text] as key,
       u.oid::bigint as oid,
       u.relkind::text as kind,
       pg_catalog.pg_get_userbyid(u.relowner)::text as owner,
       u.relpersistence::text as persistence,
       u.relrowsecurity as row_security,
       u.relforcerowsecurity as force_row_security,
       case when u.relkind in ('r', 'p') then u.relreplident::text end as replica_identity,
       case when u.relkind in ('r', 'm')
            then not exists (select from pg_catalog.pg_class t
                                   cross join pg_catalog.pg_options_to_table(t.reloptions) o
                              where t.oid in (u.oid, u.reltoastrelid) and o.option_name = 'autovacuum_enabled'
                                and not o.option_value::boolean) end as autovacuum,
       case when u.relkind in ('v', 'm')
            then coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(u.reloptions) o
                            where o.option_name = 'security_barrier'), false) end as security_barrier,
       case when u.relkind = 'v'
            then coalesce((select o.option_value::boolean from pg_catalog.pg_options_to_table(u.reloptions) o
                            where o.option_name = 'security_invoker'), false) end as security_invoker,
       case when u.relkind = 'v'
            then coalesce((select split_part(o, '=', 2) from unnest(u.reloptions) o where o like 'check_option=%'), 'none')
            end as check_option,
       case when u.relkind in ('v', 'm')
            then encode(sha256(textsend(pg_catalog.pg_get_viewdef(u.oid))), 'hex') end as definition,
       case when u.relkind in ('v', 'm')
            then array(select distinct quote_ident(n.nspname) || '.' || quote_ident(t.relname)
                         from all_reads a
                         join pg_catalog.pg_class t on t.oid = a.relation and t.relrowsecurity
                         join pg_catalog.pg_namespace n on n.oid = t.relnamespace
                        where a.view = u.oid order by 1) end as reads_row_secured,
       case when u.relkind in ('r', 'p', 'f')
            then array(select a.attname::text from pg_catalog.pg_attribute a
                        where a.attrelid = u.oid and a.attnum > 0 and a.attnotnull and not a.attisdropped
                        order by 1) end as not_null,
       case when u.relkind in ('r', 'p', 'f')
            then array(select quote_ident(n.nspname) || '.' || quote_ident(t.relname)
                         from pg_catalog.pg_inherits i
                         join pg_catalog.pg_class t on t.oid = i.inhparent
                         join pg_catalog.pg_namespace n on n.oid = t.relnamespace
                        where i.inhrelid = u.oid order by 1) end as parents,
       case when u.relkind in ('r', 'p', 'f') then u.relnatts::int end as columns,
       case when u.relkind in ('r', 'p', 'f')
            then array(select a.attnum::text || '=' || a.attgenerated::text || a.attidentity::text
                              || coalesce(encode(sha256(textsend(
                                     pg_catalog.regexp_replace(d.adbin::text, ':location -?[0-9]+', '', 'g'))), 'hex'), '')
                         from pg_catalog.pg_attribute a
                         left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                        where a.attrelid = u.oid and a.attnum > 0 and not a.attisdropped
                          and (a.atthasdef or a.attidentity <> '') order by 1) end as defaults
  from users u
