"""Pages of who: members, projects, history, API keys."""
