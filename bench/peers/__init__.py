"""Peers: common alternatives to Orgdesk, each written as a good engineer would.

All read the same database and count calls with the same script in the same Valkey.
`bench.rows.charts` checks, before it measures, that they return the same numbers.
"""
