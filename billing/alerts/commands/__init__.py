"""Writes of alerts: evaluating, recording, sending, and changing recipients.

- `evaluation.evaluate(ids)` runs after usage, `evaluate_all_measures(ids)` after limits
  or terms change. Both return the emails to send: pass them to
  `billing.alerts.tasks.enqueue_emails` after the commit.
- `records.resend(alert_id, by=…)` writes another email of an alert
- `recipients.set_recipients` and `snooze` change who is notified, and when
- `unsubscribes` makes and applies the signed links of emails
- `delivery` sends emails; it alone moves the states of emails and recipients, and with
  them `Alert.state`, `Alert.reason` and `Alert.sent_at`
"""
