"""What a change of details would cause."""
