"""What Stripe says becomes ours: one object, a page of them, or all of a customer."""
