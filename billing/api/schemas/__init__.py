"""Request and response schemas of the billing API."""
