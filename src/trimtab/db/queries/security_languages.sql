/* trimtab: languages; who may make functions in one that is not trusted may do what the server's account may */
select array[l.lanname::text] as key, l.lanpltrusted as is_trusted, pg_catalog.pg_get_userbyid(l.lanowner)::text as owner,
       concat_ws(' ', l.lanplcallfoid::regproc, l.laninline::regproc, l.lanvalidator::regproc) as handlers
  from pg_catalog.pg_language l
