"""The setup guide: from an empty installation to the first invoice."""
