"""Alert emails: rendering, messages, SMTP delivery, and limits per mail host."""
