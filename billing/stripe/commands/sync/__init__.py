"""Full sync: what Stripe has for a white label, and how it differs from Orgdesk."""
