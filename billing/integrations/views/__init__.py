"""Views of the Integrations tab."""
