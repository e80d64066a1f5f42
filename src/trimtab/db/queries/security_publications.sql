/* trimtab: publications, and what of this database they give away */
select array[p.pubname::text] as key, pg_catalog.pg_get_userbyid(p.pubowner)::text as owner,
       p.puballtables as all_tables, p.pubviaroot as via_root,
       array_remove(array[case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                          case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end],
                    null) as operations,
       array(select '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.tablename, '"', '""') || '"'
               from pg_catalog.pg_publication_tables t where t.pubname = p.pubname order by 1) as tables,
       array[]::text[] as narrowed
  from pg_catalog.pg_publication p
