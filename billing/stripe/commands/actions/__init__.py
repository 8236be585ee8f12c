"""Actions in Stripe: a person requests one as a row, a worker executes it once."""
