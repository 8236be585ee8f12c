"""Files and exports as they are sent."""
