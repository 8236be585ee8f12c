"""Writes of access: what staff change to restore it, and the history of refusals."""
