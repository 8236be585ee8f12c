"""Shapes of money as programs send and read them."""
