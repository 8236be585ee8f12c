"""Shapes of input and output that every API shares."""
