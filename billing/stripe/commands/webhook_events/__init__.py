"""Webhook events: each is stored once and handled by the worker that claims it.

The payload of an event is only a hint. Its object is fetched from Stripe again under a
lock of that object, so the order, repetition and age of events do not matter: what is
written is always Stripe's latest answer.
"""
