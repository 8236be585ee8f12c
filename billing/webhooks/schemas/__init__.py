"""Shapes of events, endpoints and deliveries, and the bodies of events."""
