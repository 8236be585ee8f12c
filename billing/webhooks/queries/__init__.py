"""Reads of webhook endpoints, of who wants an event, and of deliveries."""
