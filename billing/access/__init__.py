"""Access of organizations: the decision, what would lift a refusal, the history."""
