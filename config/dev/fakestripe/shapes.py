"""Whole objects in the newest API version, from the few fields that matter.

Prices inside items and lines are ids here; they are put in when an object is shown.
Names that begin with an underscore are the fake's own and never shown.
"""

from typing import Any

from config.dev.fakestripe.store import Json, new_id

_AUTOMATIC_TAX = {"disabled_reason": None, "enabled": False, "liability": None}


def listed(data: list[Any], url: str, *, has_more: bool = False) -> Json:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def customer(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("cus", length=14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_id("")[1:9].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    return body | given


def product(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("prod", length=14),
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }
    return body | given


def price(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": "usd",
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": "",
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "unit_amount": 0,
    } | given
    body["type"] = "recurring" if body["recurring"] else "one_time"
    if body["recurring"]:
        body["recurring"] = {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        } | body["recurring"]
    body.setdefault("unit_amount_decimal", str(body["unit_amount"]))
    return body


def subscription(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("sub"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": dict(_AUTOMATIC_TAX),
        "billing_cycle_anchor": created,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "flexible", "updated_at": created},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "customer": "",
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": created,
        "status": "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {
            "end_behavior": {"missing_payment_method": "create_invoice"}
        },
        "trial_start": None,
    } | given
    body["items"] = listed(
        [
            item(body["created"], **{**one, "subscription": body["id"]})
            for one in _data(given.get("items"))
        ],
        f"/v1/subscription_items?subscription={body['id']}",
    )
    return body


def item(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("si", length=14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": created,
        "current_period_start": created,
        "current_period_end": created,
        "discounts": [],
        "metadata": {},
        "price": "",
        "subscription": "",
        "tax_rates": [],
    }
    return body | given  # with a quantity, unless its price is metered


def coupon(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("", length=8)[1:].upper(),
        "object": "coupon",
        "amount_off": None,
        "created": created,
        "currency": None,
        "duration": "forever",
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "name": None,
        "percent_off": None,
        "redeem_by": None,
        "times_redeemed": 0,
        "valid": True,
    }
    return body | given


def discount(start: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": None,
        "customer": None,
        "customer_account": None,
        "end": None,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": "", "type": "coupon"},
        "start": start,
        "subscription": None,
        "subscription_item": None,
    }
    return body | given


def tax_rate(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": created,
        "description": None,
        "display_name": "",
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": False,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": 0.0,
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
    return body | given


def invoice(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("in"),
        "object": "invoice",
        "account_country": "US",
        "account_name": "Orgdesk demo",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {**_AUTOMATIC_TAX, "provider": None, "status": None},
        "automatically_finalizes_at": None,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": created,
        "currency": "usd",
        "custom_fields": None,
        "customer": "",
        "customer_account": None,
        "customer_address": None,
        "customer_email": None,
        "customer_name": None,
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": created,
        "period_start": created,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    } | given
    body["lines"] = listed(
        [line(**{**one, "invoice": body["id"]}) for one in _data(given.get("lines"))],
        f"/v1/invoices/{body['id']}/lines",
    )
    return body


def line(**given: Any) -> Json:
    body: Json = {
        "id": new_id("il"),
        "object": "line_item",
        "amount": 0,
        "currency": "usd",
        "description": None,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"end": 0, "start": 0},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "subscription": None,
        "taxes": [],
    } | given
    return body | {
        "subtotal": body["amount"],
        "quantity_decimal": str(body["quantity"]),
    }


def invoiceitem(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": 0,
        "currency": "usd",
        "customer": "",
        "customer_account": None,
        "date": created,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": given.get("amount", 0),
        "parent": None,
        "period": {"end": created, "start": created},
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
        "test_clock": None,
    } | given
    return body | {"quantity_decimal": str(body["quantity"])}


def priced(price: Json) -> Json:
    """Return a price as lines and invoice items refer to it."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def of_subscription(body: Json) -> Json:
    """`parent` of an invoice that a subscription made."""
    details = {"metadata": body["metadata"], "subscription": body["id"]}
    return {
        "quote_details": None,
        "subscription_details": details,
        "type": "subscription_details",
    }


def event(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": None,
        "created": created,
        "livemode": False,
        "pending_webhooks": 0,
    }
    return body | given


def _data(body: Any) -> list[Json]:
    """Items or lines, given as a list or as a Stripe list."""
    if not body:
        return []
    data: list[Json] = body["data"] if isinstance(body, dict) else body
    return data


def charge(created: int, **given: Any) -> Json:
    """Return a card payment that succeeded."""
    amount = given.get("amount", 0)
    body: Json = {
        "id": new_id("ch"),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": dict.fromkeys(
            ("address", "email", "name", "phone", "tax_id")
        ),
        "calculated_statement_descriptor": None,
        "captured": True,
        "created": created,
        "currency": "usd",
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": True,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": None,
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }
    return body | given


def invoice_payment(
    created: int, *, amount: int, currency: str, intent: str, invoice: str
) -> Json:
    """Return the payment of an invoice by a payment intent."""
    return {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": amount,
        "amount_requested": amount,
        "created": created,
        "currency": currency,
        "invoice": invoice,
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": created},
    }


def refund(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("re"),
        "object": "refund",
        "amount": 0,
        "balance_transaction": None,
        "charge": None,
        "created": created,
        "currency": "usd",
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": None,
        "payment_method": None,
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
    return body | given


def refund_of_note(made: Json) -> Json:
    """Return a refund as a credit note refers to it."""
    return {
        "amount_refunded": made["amount"],
        "payment_record_refund": None,
        "refund": made["id"],
        "type": "refund",
    }


_EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy"),
    *("cancellation_policy_disclosure", "cancellation_rebuttal"),
    *("customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation"),
    *("duplicate_charge_explanation", "duplicate_charge_id", "product_description"),
    *("receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation"),
    *("shipping_address", "shipping_carrier", "shipping_date"),
    *("shipping_documentation", "shipping_tracking_number", "uncategorized_file"),
    "uncategorized_text",
)
_DAYS_TO_RESPOND = 20


def dispute(created: int, **given: Any) -> Json:
    body: Json = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": 0,
        "balance_transactions": [],
        "charge": "",
        "created": created,
        "currency": "usd",
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + _DAYS_TO_RESPOND * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": None,
        "payment_method_details": None,
        "reason": "general",
        "status": "needs_response",
    }
    return body | given


def credit_note(created: int, **given: Any) -> Json:
    """Return a credit note with one line over its whole amount."""
    amount = given["amount"]
    body: Json = {
        "id": new_id("cn"),
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": created,
        "currency": "usd",
        "customer": "",
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": created,
        "invoice": "",
        "livemode": False,
        "memo": None,
        "metadata": {},
        "number": "",
        "out_of_band_amount": None,
        "pdf": "",
        "post_payment_amount": 0,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": None,
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "voided_at": None,
    } | given
    before, after = body["pre_payment_amount"], body["post_payment_amount"]
    body["type"] = "mixed" if before and after else "pre_payment"
    if after and not before:
        body["type"] = "post_payment"
    url = f"/v1/credit_notes/{body['id']}/lines"
    return body | {"lines": listed([_credit_line(amount)], url)}


def _credit_line(amount: int) -> Json:
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": "Credit",
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
