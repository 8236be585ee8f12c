"""Writes of who: white labels, organizations, people, keys."""
