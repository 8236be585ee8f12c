"""A Django app over the tables of Orgdesk, for peers that are Django projects."""
