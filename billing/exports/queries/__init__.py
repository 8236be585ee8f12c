"""Tables that can be downloaded: what they are called, their columns and rows."""
