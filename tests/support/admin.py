"""Forms of Django admin as a browser submits them."""

from typing import Any


def fields(response: Any, **changes: Any) -> dict[str, Any]:
    """Return the data that a browser would submit with a form, unchanged but for these.

    Fields of inlines and the hidden proof of what the form began with are included.
    """
    forms = [response.context["adminform"].form]
    for inline in response.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    data = {bound.html_name: bound.value() for form in forms for bound in form}
    sent = (data | changes).items()
    return {k: v for k, v in sent if v is not None and v is not False and v != ""}
