"""Letters leave the building: claimed, sent to each address, marked, or put off."""
