"""Single executions from a server's log, in any of its three formats. Literals never leave this room."""
