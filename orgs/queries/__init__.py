"""Reads of who: organizations by the company's ids, heads, white labels."""
