"""Ways to start a background task, and to limit how many workers do one."""
