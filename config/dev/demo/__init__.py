"""A believable fleet for a first look: the same on every machine, ending today."""
