/* trimtab: publications, and what of this database they give away; `narrowed` are the tables of which not all columns or
   rows go, with a digest of which do */
select array[p.pubname::text] as key, pg_catalog.pg_get_userbyid(p.pubowner)::text as owner,
       p.puballtables as all_tables, p.pubviaroot as via_root,
       p.pubgencols <> 'n' as generated_columns,
       array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                          case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end],
                    null) as operations,
       array(select '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.tablename, '"', '""') || '"'
               from pg_catalog.pg_publication_tables t where t.pubname = p.pubname order by 1) as tables,
       array(select r.prrelid::regclass::text || ' '
                    || encode(sha256(textsend(coalesce(r.prattrs::text, '') || '/'
                                              || coalesce(pg_catalog.pg_get_expr(r.prqual, r.prrelid), ''))), 'hex')
               from pg_catalog.pg_publication_rel r
              where r.prpubid = p.oid and (r.prattrs is not null or r.prqual is not null) order by 1) as narrowed
  from pg_catalog.pg_publication p
