"""Pages about members, projects, history and API keys."""
