"""The rows of tables as JSON, in pages: the reading side of Orgdesk's API."""
