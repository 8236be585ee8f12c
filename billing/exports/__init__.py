"""Downloads of tables as CSV: the registry of tables, manifests, and large exports."""
