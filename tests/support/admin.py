"""Forms of Django admin as a browser submits them."""

from typing import Any


def fields(response: Any) -> dict[str, str]:
    """Return the data that a browser would submit with an unchanged form."""
    form = response.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for formset in response.context["inline_admin_formsets"]:
        management = formset.formset.management_form
        data |= {
            management.add_prefix(n): management[n].value() for n in management.fields
        }
    return {k: v for k, v in data.items() if v or (v == 0 and v is not False)}
