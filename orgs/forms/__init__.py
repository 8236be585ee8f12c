"""Forms of the pages of this app, by subject."""
