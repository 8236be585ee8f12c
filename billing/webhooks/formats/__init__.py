"""What is sent to each kind of endpoint: signed events, or messages for people."""
