/* trimtab: a piece of a file in log_directory. $1: its path, $2: offset, $3: at most so many bytes */
select pg_catalog.pg_read_binary_file($1, $2, $3, true) as piece
