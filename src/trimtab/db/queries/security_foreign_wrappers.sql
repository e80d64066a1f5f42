/* trimtab: foreign-data wrappers; of their options only the names */
select array[w.fdwname::text] as key, pg_catalog.pg_get_userbyid(w.fdwowner)::text as owner,
       w.fdwhandler::regproc::text as handler, w.fdwvalidator::regproc::text as validator,
       array(select split_part(o, '=', 1) from unnest(w.fdwoptions) o order by 1) as options
  from pg_catalog.pg_foreign_data_wrapper w
