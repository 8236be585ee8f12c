"""Pages of usage and of prices."""
