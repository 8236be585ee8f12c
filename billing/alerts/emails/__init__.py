"""The content of alert emails: context, figures, rendering, messages and previews.

Sending them is the part of `billing.alerts.commands.delivery`.
"""
