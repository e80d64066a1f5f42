"""Performance anchors: the level that a change has reached, recorded so that it can be held."""
