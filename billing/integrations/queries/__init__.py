"""Reads of what is pushed: `figures` of now, `days` of the past, `lines` of logs."""
