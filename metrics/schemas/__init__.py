"""Shapes of usage and costs as programs send and read them."""
