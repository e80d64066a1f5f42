/* trimtab: settings that planning, memory, workers, vacuum and WAL depend on. By name: categories are translated. */
select s.name,
       s.setting as value,
       s.unit,
       s.context,
       s.source,
       s.setting is not distinct from s.boot_val as is_default
  from pg_catalog.pg_settings s
 where s.name !~ '\.'
   and (s.name ~ '^(enable_|geqo|jit|autovacuum|vacuum_|cpu_|io_|checkpoint_|bgwriter_|commit_|wal_|parallel_)'
        or s.name ~ '^(min_parallel_|max_parallel_|max_worker|max_wal_size|min_wal_size|huge_page|server_version)'
        or s.name ~ '(_cost|_mem|_mem_multiplier|_buffers|_collapse_limit|_io_concurrency|_flush_after)$'
        or s.name in ('block_size', 'constraint_exclusion', 'cursor_tuple_fraction', 'default_statistics_target',
                      'dynamic_shared_memory_type', 'effective_cache_size', 'fsync', 'full_page_writes',
                      'max_connections', 'max_files_per_process', 'max_prepared_transactions', 'max_stack_depth',
                      'min_dynamic_shared_memory', 'plan_cache_mode', 'recursive_worktable_factor',
                      'shared_memory_type', 'synchronous_commit', 'temp_file_limit', 'track_counts',
                      'track_io_timing', 'vacuum_truncate', 'wal_block_size'))
 order by s.name
