"""A fake Stripe: a real HTTP server with state, a clock and scripted faults.

    python -m config.dev.fakestripe --port 8010 --state FILE [--webhook URL --secret S]

Its key is STRIPE_SECRET_KEY, which every call needs; with --open, for tests, any key
is accepted and commands need none.

It implements the API of customers, products, prices, subscriptions, invoices, invoice
items, charges, refunds, disputes, credit notes and events as Stripe does, in several
API versions, to its key `sk_test_…`, and sends signed webhooks. Payments succeed unless
scripted otherwise. Loopback only, one SQLite file.

Commands for tests take and return JSON and need the key, as `Authorization: Bearer`:

    GET    /_fake/health
    POST   /_fake/reset     {"now"}: empty; with `now` (seconds) the clock is frozen
    POST   /_fake/save      {"name"}: keep everything, for `restore` of this name
    POST   /_fake/restore   {"name"}: everything as it was saved, the clock included
    GET    /_fake/digest    a hash of everything
    POST   /_fake/clock     {"advance": s} or {"now": s}: what is due happens on the
                            way, old events and keys are forgotten; {"running": true}
                            lets a frozen clock go on as the machine's does
    POST   /_fake/payment   {"customer": id or "*", "outcome": "succeed"|"fail"|"none"}
                            ("none": no way to pay), {"after_retries": status} of a
                            subscription whose last attempt failed
    POST   /_fake/pay_part  {"invoice", "amount"}: a payment of a part of what remains
    POST   /_fake/dispute   {"charge", "amount"}: a bank disputes a charge; or
                            {"id", "status"}: its dispute goes on
    POST   /_fake/account   {"api_version"}: of events, and of calls that name none
    POST   /_fake/objects   {"objects": [{"object": "customer", "id": …}, …],
                            "events": false}: loaded as they are, thousands at once
    GET    /_fake/objects   ?kind=subscription: all, oldest first, newest version
    POST   /_fake/change    {"id", "fields"}: without an event
    POST   /_fake/remove    {"id"}: as if it had never been
    POST   /_fake/webhooks  {"url", "secret", "api_version", "events", "host"}: an
                            endpoint, one per URL
    DELETE /_fake/webhooks  no endpoints
    POST   /_fake/script    {"api": [fault, …], "webhooks": {…}, "latency": s}
    POST   /_fake/settle    {"seconds": 10}: wait until no delivery waits
    POST   /_fake/resend    {"events": [id, …]}: once more; without, all undelivered
    POST   /_fake/sign      {"event": id, "secret", "api_version", "at"}: body and
                            signature of a delivery, to post by hand
    GET    /_fake/deliveries, /_fake/requests: what was sent, what was asked

A fault: {"do", "path": "/v1/invoiceitems*", "method": "POST", "times": 1, "skip": 0}
with `do` one of latency (seconds), rate_limit, error (status), error_saved (a 500 kept
under the idempotency key), conflict, hang (seconds), truncate, garbage,
disconnect_before, disconnect_after (done and kept, then cut). `times` 0 is for ever.

The webhooks' script: {"delay": s, "duplicate": n, "shuffle": window, "drop": fraction,
"drop_events": [ids or types], "api_versions": [used in turn], "secret": a wrong one,
"seed", "attempts": 5, "backoff": s, "paused": hold all until a script without it}.
"""
