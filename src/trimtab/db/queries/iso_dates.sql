/* trimtab: write dates so that every session reads them alike, until this transaction ends */
select pg_catalog.set_config('DateStyle', 'ISO, YMD', true), pg_catalog.set_config('IntervalStyle', 'postgres', true)
