"""Throw-away and embedded PostgreSQL servers: start, clone, stop, remove; as root or as an ordinary user.

This room decides how a server of ours lives and dies. It never touches a server that it did not start itself.
"""
