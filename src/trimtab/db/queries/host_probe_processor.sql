/* trimtab: fixed work for a processor: it touches no table */
select pg_catalog.count(*) from pg_catalog.generate_series(1, 50000) n where n % 7 = 3
