"""Template tags of the Details tab."""
