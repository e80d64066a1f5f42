/* trimtab: how our own connection is protected */
select s.ssl, s.version, s.cipher, s.bits,
       coalesce((select g.encrypted from pg_catalog.pg_stat_gssapi g where g.pid = s.pid), false) as gss_encrypted,
       pg_catalog.inet_client_addr() is null as is_local
  from pg_catalog.pg_stat_ssl s
 where s.pid = pg_catalog.pg_backend_pid()
