"""The face for agents: a Model Context Protocol server with typed tools, over `trimtab.api`.

An agent sees and proposes; what it proposes waits for people. Nothing in this package applies, reverts or approves
anything, and the process that serves it has its enforcement point shut.
"""
