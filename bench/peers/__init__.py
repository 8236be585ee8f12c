"""What people would use instead, each written as a good engineer would with it.

All read the same database and count calls by the same script in the same Valkey.
`bench.rows.charts` proves, before it measures, that they answer the same numbers.
"""
