"""Ways to start a background task: one row at once, or many rows debounced."""
