"""Reads of organizations, their people, API keys and history."""
