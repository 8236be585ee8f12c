"""Full sync: a white label's share of all that Stripe has, and what drifted."""
