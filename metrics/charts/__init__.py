"""Charts of usage and cost, drawn from the same series that the API returns."""
