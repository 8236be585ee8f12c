"""Full sync: mirror all that Stripe has for a white label and record differences."""
