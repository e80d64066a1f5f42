"""The single enforcement point: nothing reaches a source server as a change except through `enforce.Enforcer`."""
