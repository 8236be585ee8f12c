"""Events of Stripe: kept once, handled by whoever claims them, each time the same.

An event is a hint. Its object is asked for anew under a lock of that object, so order,
duplicates and age do not matter; what was written is what Stripe said last.
"""
