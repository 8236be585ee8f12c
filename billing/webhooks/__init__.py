"""Webhooks out: endpoints, the outbox of events, and their signed deliveries.

Also events as messages to Slack, Microsoft Teams, and PagerDuty. Stripe's webhooks,
which come in, are in `billing.stripe`.
"""
