"""Request and response formats that every API shares."""
