"""Sending deliveries: claiming, requests in threads, and outcomes.

`worker.run` is the only entry. Requests run in threads, which never touch the database:
an endpoint that hangs occupies one of them until its deadline, and no other endpoint
waits for it.
"""
