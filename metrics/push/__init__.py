"""What is pushed to Prometheus and Loki, and the formats of both; no database.

Apps above register where the figures and lines come from (`sources`).
"""
