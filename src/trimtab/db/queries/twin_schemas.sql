/* trimtab: the schemas of users, and of extensions */
select array(select n.nspname::text
               from pg_catalog.pg_namespace n
              where n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
              order by 1) as schemas
