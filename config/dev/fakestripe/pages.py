"""The pages Stripe would host: an invoice with a button that pays it, and a portal."""

from decimal import Decimal
from html import escape

from config.dev.fakestripe import collecting
from config.dev.fakestripe.account import Account
from config.dev.fakestripe.errors import ApiError
from config.dev.fakestripe.store import Json
from orgs.catalog import CURRENCY_DIGITS

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem}"
    "table{width:100%;border-collapse:collapse}td{padding:.4rem 0;"
    "border-bottom:1px solid #8884}td+td{text-align:right}button{font:inherit;"
    "padding:.5rem 1.5rem}.note{opacity:.7}"
)


def answer(
    account: Account, method: str, path: str, prefix: str = ""
) -> tuple[int, str]:
    """Status and HTML of `/i/INVOICE`, `/i/INVOICE/pay` and `/p/CUSTOMER`.

    Links begin with the prefix.
    """
    _, kind, name, *rest = [*path.split("/"), "", ""]
    with account.store.transaction():
        try:
            if kind == "p":
                return 200, _portal(account, account.get("customer", name), prefix)
            invoice = account.get("invoice", name)
            if method == "POST" and rest[:1] == ["pay"]:
                invoice = collecting.collect(account, invoice)
            return 200, _invoice(invoice, prefix)
        except ApiError as error:
            return 404, _page("Not found", f"<p>{escape(str(error))}</p>")


def _invoice(invoice: Json, prefix: str) -> str:
    currency = invoice["currency"]
    rows = "".join(
        f"<tr><td>{escape(line['description'] or '')}</td>"
        f"<td>{money(line['amount'], currency)}</td></tr>"
        for line in invoice["lines"]["data"]
    )
    due = (
        f"<tr><td><b>Due</b></td><td>{money(invoice['amount_due'], currency)}</td></tr>"
    )
    pay = (
        f'<form method="post" action="{prefix}/i/{escape(invoice["id"])}/pay">'
        "<button>Pay</button></form>"
        if invoice["status"] == "open"
        else ""
    )
    who = escape(invoice["customer_name"] or invoice["customer_email"] or "")
    body = f"<p>{who} · <b>{invoice['status']}</b></p><table>{rows}{due}</table>{pay}"
    return _page(f"Invoice {invoice['number'] or 'draft'}", body)


def _portal(account: Account, customer: Json, prefix: str) -> str:
    if customer.get("deleted"):
        return _page("Billing", "<p>This customer was deleted.</p>")
    invoices = account.store.select(
        "kind = 'invoice' and customer = ? and status <> 'draft'",
        (customer["id"],),
        "order by created desc, seq desc limit 24",
    )
    rows = "".join(
        f'<tr><td><a href="{prefix}/i/{escape(one["id"])}">'
        f"{escape(one['number'] or '')}</a>"
        f" {one['status']}</td><td>{money(one['total'], one['currency'])}</td></tr>"
        for one in invoices
    )
    name = escape(customer["name"] or customer["email"] or customer["id"])
    return _page(f"Billing of {name}", f"<table>{rows}</table>")


def money(amount: int, currency: str) -> str:
    digits = CURRENCY_DIGITS.get(currency, 2)
    return f"{Decimal(amount).scaleb(-digits):,.{digits}f} {currency.upper()}"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{body}"
        '<p class="note">A fake Stripe: no money moves here.</p></html>'
    )
