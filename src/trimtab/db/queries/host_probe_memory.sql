/* trimtab: fixed work for memory: some megabytes are filled and read; it touches no table */
select pg_catalog.sum(pg_catalog.length(pg_catalog.repeat('trimtab ', 100000 + n)))
  from pg_catalog.generate_series(1, 5) n
