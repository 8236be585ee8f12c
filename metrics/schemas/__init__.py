"""Request and response bodies of the API endpoints of usage and costs."""
