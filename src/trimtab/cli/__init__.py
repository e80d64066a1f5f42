"""The command line: a thin face over `trimtab.api`. Results go to stdout, progress and messages to stderr."""
