"""A Django app over our tables, for the peers that are Django projects."""
