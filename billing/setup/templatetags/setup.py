"""Template filters of the setup guide: titles and templates of its steps."""

import json

from django import template

from billing.setup.queries.progress import StepKey

register = template.Library()

_TITLES = {
    StepKey.WHITE_LABEL: "White label",
    StepKey.ORGANIZATIONS: "Organizations",
    StepKey.PRICES: "Prices",
    StepKey.USAGE: "First event",
    StepKey.STRIPE: "Stripe",
}


@register.filter
def step_title(key: StepKey) -> str:
    """Return what a step is called."""
    return _TITLES[key]


@register.filter
def step_template(key: StepKey) -> str:
    """Return the template of a step's card."""
    return f"billing/setup/_{key.value.replace('-', '_')}.html"


@register.filter
def shell_json(text: str) -> str:
    """Return a text for a JSON string within single quotes of a shell."""
    return json.dumps(text)[1:-1].replace("'", "\\u0027")
