/* trimtab: what this server's log tells and where it is; a setting that this role may not see has no row */
select s.name,
       s.setting as value
  from pg_catalog.pg_settings s
 where s.name = any (array[
         'auto_explain.log_format', 'auto_explain.log_min_duration', 'auto_explain.log_verbose',
         'auto_explain.sample_rate', 'lc_messages', 'log_destination', 'log_directory', 'log_duration',
         'log_error_verbosity', 'log_line_prefix', 'log_min_duration_sample', 'log_min_duration_statement',
         'log_min_error_statement', 'log_statement', 'log_statement_sample_rate', 'log_timezone',
         'log_transaction_sample_rate', 'logging_collector'])
