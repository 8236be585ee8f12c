"""Writes of white labels, organizations, people, API keys and background jobs."""
