"""Acting on Stripe: asked for by a row, done by a worker, twice is once."""
