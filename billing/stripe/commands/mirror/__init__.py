"""Mirror of Stripe: one object, a page of objects, or everything of a customer."""
