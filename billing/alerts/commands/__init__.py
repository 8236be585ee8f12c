"""Alerts: found, recorded once, and told to whom they concern.

For the senders and the pages:
- `evaluate(ids)` after anything changed, `evaluate_whole(ids)` after a limit changed;
  both answer the letters to send: `billing.alerts.tasks.tell(alert_email_ids)` after
  the commit
- `send_again(alert_id, by=…)` makes another letter of an alert
- `set_recipients`, `snooze`, `opt_out(token)`, `opt_in` change who is told
- `opt_out_token(organization_id, address, kind)` is what a letter's link carries
- a letter's words come from `letter.alert.facts`: see `billing.alerts.commands.facts`
Whoever sends moves `Letter.state` by its lease, each `AlertEmailRecipient`, and with
them
`Alert.state` (pending, sending, sent, failed), `Alert.reason` and `Alert.sent_at`.
"""
