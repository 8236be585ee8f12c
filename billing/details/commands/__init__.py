"""Changes of details, and their undoing."""
