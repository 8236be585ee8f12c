"""The web process: what happens to a request before and after the application."""
