"""The details of an organization: edited on one page, with consequences first."""
