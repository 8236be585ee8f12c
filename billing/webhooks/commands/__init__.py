"""Writes of webhooks: endpoints, the outbox, and deliveries.

- `outbox.write_events` writes events with their deliveries, in the caller's transaction
- `endpoints` creates, changes, rotates, enables and deletes endpoints
- `sending` claims deliveries, sends them, and writes what came of it
- `replays` sends again; `retention` deletes what is old
"""
