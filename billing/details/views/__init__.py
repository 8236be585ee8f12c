"""The page of details, and that of a new organization."""
