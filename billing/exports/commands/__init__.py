"""Changes of large exports: requests, writing, and expiry."""
