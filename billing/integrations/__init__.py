"""What organizations push to their own Prometheus and Loki, and the page of it.

The pushing itself is in `metrics.commands.pushes`; here are the figures and lines, read
by the queries of the pages, and the Integrations tab.
"""
