/* trimtab: text search configurations, dictionaries, parsers and templates of users; of what they are made of a digest */
with found(kind, schema, name, owner, said) as (
    select 'configuration', c.cfgnamespace, c.cfgname, c.cfgowner,
           (select p.prsname from pg_catalog.pg_ts_parser p where p.oid = c.cfgparser) || ' '
           || coalesce((select string_agg(m.maptokentype || ' ' || m.mapseqno || ' ' || m.mapdict::regdictionary::text,
                                          chr(10) order by m.maptokentype, m.mapseqno)
                          from pg_catalog.pg_ts_config_map m where m.mapcfg = c.oid), '')
      from pg_catalog.pg_ts_config c where c.oid >= 16384
    union all
    select 'dictionary', d.dictnamespace, d.dictname, d.dictowner,
           (select t.tmplname from pg_catalog.pg_ts_template t where t.oid = d.dicttemplate) || ' '
           || coalesce(d.dictinitoption, '')
      from pg_catalog.pg_ts_dict d where d.oid >= 16384
    union all
    select 'parser', p.prsnamespace, p.prsname, null,
           concat_ws(' ', p.prsstart::regproc, p.prstoken::regproc, p.prsend::regproc, p.prsheadline::regproc,
                     p.prslextype::regproc)
      from pg_catalog.pg_ts_parser p where p.oid >= 16384
    union all
    select 'template', t.tmplnamespace, t.tmplname, null, concat_ws(' ', t.tmplinit::regproc, t.tmpllexize::regproc)
      from pg_catalog.pg_ts_template t where t.oid >= 16384
)
select array[f.kind, n.nspname::text, f.name::text] as key,
       pg_catalog.pg_get_userbyid(f.owner)::text as owner,
       encode(sha256(textsend(f.said)), 'hex') as definition
  from found f
  join pg_catalog.pg_namespace n on n.oid = f.schema
