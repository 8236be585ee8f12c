"""Queries of usage and cost, shared by pages, CSV files, the API and alerts."""
