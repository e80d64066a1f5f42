/* trimtab: casts of the user's own between types of PostgreSQL's that call no function: by input and output, or none */
select st.typname::text as source, tt.typname::text as target, c.castcontext::text as context, c.castmethod::text as method
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type st on st.oid = c.castsource
  join pg_catalog.pg_type tt on tt.oid = c.casttarget
 where c.oid >= 16384
   and st.oid < 16384 and st.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
   and tt.oid < 16384 and tt.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
   and c.castmethod in ('i', 'b')
   and not exists (select from pg_catalog.pg_depend e
                    where e.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e')
 order by 1, 2
