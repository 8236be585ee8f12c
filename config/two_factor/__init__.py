"""Two-factor login of pages: what allauth asks of us, and the gate before all pages."""
