"""Commands that write, resume, and delete large exports."""
