"""Views of downloads and of large exports."""
