"""Two-factor login of pages: what allauth asks of us, and the check of every page."""
