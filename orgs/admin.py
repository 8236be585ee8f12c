"""Django admin of white labels, organizations, people, API keys and users.

Rows are limited to those that the user may see, and changes go through the commands.
"""

from typing import Any

from allauth.account import admin as _address_admin  # noqa: F401  it registers a page
from allauth.account.models import EmailAddress
from allauth.mfa import admin as _factor_admin  # noqa: F401  it registers a page
from allauth.mfa.models import Authenticator
from allauth.socialaccount import admin as _provider_admin  # noqa: F401  the same
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection
from django.db.models import ForeignKey, Model, QuerySet, URLField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode

from orgs import access
from orgs.access.permissions import row_id
from orgs.access.sessions import is_recently_confirmed
from orgs.commands.accounts import (
    LastSuperuser,
    is_last_superuser,
    keep_last_superuser,
)
from orgs.commands.factors.resets import reset_factors
from orgs.commands.keys import edit_api_key, revoke_api_key
from orgs.commands.organizations import (
    signal_availability,
    signal_changed,
    signal_created,
    signal_entitlements,
    signal_people,
)
from orgs.commands.proofs import ChangedMeanwhile, is_signed, sign_values
from orgs.commands.sessions import end_all_sessions
from orgs.commands.white_labels import create_owner
from orgs.forms.keys import AddressRangesField
from orgs.models import (
    ApiKey,
    Entitlements,
    Member,
    Organization,
    Project,
    User,
    WhiteLabel,
)
from orgs.security_log import Kind, record
from orgs.web.quantities import BytesField, HoursField


class VisibleChoicesFilter(admin.RelatedFieldListFilter):
    """A filter by organization or white label that offers only visible ones."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return the visible rows of the related model, for the filter's links."""
        visible = _visible_rows(field.related_model, request)
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(
            include_blank=False,
            ordering=ordering,
            limit_choices_to={} if visible is None else {"pk__in": visible},
        )


def _visible_rows(model: type[Model], request: HttpRequest) -> QuerySet[Any] | None:
    """Return the rows of a model that a user may choose; None if it is not limited."""
    principal = access.principal_of(request.user)
    if model is Organization:
        return access.visible(principal).active()
    if model is WhiteLabel:
        ids = [label.pk for label in access.visible_white_labels(principal)]
        return WhiteLabel.objects.filter(pk__in=ids)
    return None


# Tables that grow: a select of all their rows would be as large as they are.
_GROWING = (Organization, User)


_PROOF = "before"


class _Unchanged(forms.ModelForm):
    """A mixin of forms: a row that another person has changed is not overwritten."""

    before = forms.CharField(required=False, widget=forms.HiddenInput, label="")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        columns = {field.name for field in self.instance._meta.get_fields()}
        names = sorted(columns.intersection(self.fields))
        self.values = {name: _value(self.instance, name) for name in names}
        self.initial[_PROOF] = sign_values(self.values)

    def clean(self) -> dict[str, Any] | None:
        """Refuse the form if the row has other values than when it was opened."""
        data = super().clean()
        if not is_signed(self.cleaned_data.get(_PROOF, ""), self.values):
            raise forms.ValidationError(ChangedMeanwhile().message)
        return data


def _value(row: Model, name: str) -> Any:
    """Return the value of a column, or the ids of a relation to many rows."""
    field = row._meta.get_field(name)
    if not field.many_to_many:
        return getattr(row, getattr(field, "attname", name))
    return sorted(getattr(row, name).values_list("pk", flat=True)) if row.pk else []


class ConfirmedWritesAdmin(admin.ModelAdmin):
    """A mixin of admin pages that write, with a recent proof of presence only.

    A form that was opened before another person changed the row is refused.
    """

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Show or save the form of a row.

        Should another request have written the same row meanwhile, the form is checked
        once more, and then names the field.
        """
        _require_confirmed_write(request)
        try:
            return super().changeform_view(request, *args, **options)
        except IntegrityError:
            return super().changeform_view(request, *args, **options)

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Return the row; a form that is sent locks it until it is saved.

        Two that were opened at the same time cannot both find it as it was.
        """
        row = super().get_object(request, *args, **options)
        if row is None or request.method != "POST" or not connection.in_atomic_block:
            return row
        rows = self.model._default_manager.select_for_update(of=("self",))
        return rows.filter(pk=row.pk).first()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what a link gives the form, without what is no ID of a row."""
        data = super().get_changeform_initial_data(request)
        relations = {
            field.name
            for field in self.model._meta.get_fields()
            if isinstance(field, ForeignKey)
        }
        return {
            name: value
            for name, value in data.items()
            if name not in relations or row_id(str(value))
        }

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Show the list, or do an action with rows of it."""
        _require_confirmed_write(request)
        return super().changelist_view(request, *args, **options)

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Show or do the deletion of a row."""
        _require_confirmed_write(request)
        return super().delete_view(request, *args, **options)

    def get_form(
        self, request: HttpRequest, obj: Any = None, *args: Any, **options: Any
    ) -> Any:
        """Return the form, which refuses what another person changed meanwhile."""
        if "fields" not in options:
            options["fields"] = flatten_fieldsets(self.get_fieldsets(request, obj))
        if options["fields"]:
            options["fields"] = [n for n in options["fields"] if n != _PROOF]
        form = super().get_form(request, obj, *args, **options)
        is_change = obj is not None and self.has_change_permission(request, obj)
        return type(form.__name__, (_Unchanged, form), {}) if is_change else form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets, with the hidden proof of what the form began with."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        return [*fieldsets, (None, {"fields": (_PROOF,)})]


def _require_confirmed_write(request: HttpRequest) -> None:
    if request.method == "POST":
        access.require_recent_authentication(request)


class VisibleRowsAdmin(ConfirmedWritesAdmin):
    """The base of admin pages: only rows and choices of visible organizations.

    `organization` is the look-up of a row's organization. Rows cannot be deleted, only
    marked as deleted, so that history and billing keep their organization. `page` is
    the page of Orgdesk that shows a row.
    """

    organization = "organization"
    page = ""
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    formfield_overrides = {URLField: {"assume_scheme": "https"}}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        principal = access.principal_of(request.user)
        if principal.sees_all:
            return rows
        visible = access.visible(principal).values("pk")
        return rows.filter(**{f"{self.organization}__in": visible})

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Return the relations to tables that grow, which are searched, not listed."""
        return [
            field.name
            for field in self.model._meta.get_fields()
            if isinstance(field, ForeignKey) and field.related_model in _GROWING
        ]

    def view_on_site(self, row: Any) -> str:
        """Return the page of a row; that of its organization has the id."""
        organization_id = (
            row.pk
            if isinstance(row, Organization)
            else getattr(row, "organization_id", None)
        )
        return reverse(self.page, args=[organization_id] if organization_id else [])

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        """Return the page of a row that is saved; None if there is none."""
        is_saved = obj is not None and obj.pk is not None
        return self.view_on_site(obj) if is_saved and self.page else None

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Return the filters; those by a foreign key offer only visible rows."""
        return [self._visible_filter(name) for name in super().get_list_filter(request)]

    def _visible_filter(self, name: Any) -> Any:
        if not isinstance(name, str):
            return name
        is_relation = self.model._meta.get_field(name).is_relation
        return (name, VisibleChoicesFilter) if is_relation else name

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        assert isinstance(db_field.related_model, type)  # noqa: S101  for the types
        visible = _visible_rows(db_field.related_model, request)
        if visible is not None:
            kwargs["queryset"] = visible
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Return the row, if it is visible; a request for another one is recorded."""
        row = super().get_object(request, *args, **options)
        if row is None:
            details = {"method": request.method, "path": request.path}
            record(Kind.ACCESS_DENIED, details=details)
        return row


@admin.register(WhiteLabel)
class WhiteLabelAdmin(VisibleRowsAdmin):
    page = "orgs:white_labels"
    list_display = ("name", "slug", "time_zone", "currency", "gpu_weight")
    search_fields = ("name", "slug")
    ordering = ("name",)
    fields = (
        "slug",
        "name",
        "time_zone",
        "gpu_weight",
        "currency",
        "default_rate_limit",
        "default_soft_limit",
        "default_hard_limit",
        "bills_usage_monthly",
        "owner",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WhiteLabel]:
        labels = access.visible_white_labels(access.principal_of(request.user))
        return WhiteLabel.objects.filter(pk__in=[label.pk for label in labels])

    def has_add_permission(self, request: HttpRequest) -> bool:
        principal = access.principal_of(request.user)
        return principal.sees_all and super().has_add_permission(request)

    def get_readonly_fields(
        self, request: HttpRequest, obj: WhiteLabel | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: recorded days and amounts depend on it.

        A GPU weight is changed on the page, which previews what that changes.
        """
        fixed = ("owner", "slug", "time_zone", "currency", "gpu_weight")
        return ("owner",) if obj is None else fixed

    def save_model(
        self, request: HttpRequest, obj: WhiteLabel, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            create_owner(obj)


class EntitlementsForm(_Unchanged):
    """What an organization may use, in natural units."""

    storage_bytes = BytesField(label="Storage")
    compute_seconds_per_year = HoursField(label="Compute per contract year, CPU + GPU")
    gpu_seconds_per_year = HoursField(label="GPU per contract year")


class EntitlementsInline(admin.StackedInline):
    model = Entitlements
    form = EntitlementsForm
    can_delete = False


@admin.register(Organization)
class OrganizationAdmin(VisibleRowsAdmin):
    """Organizations; the Details tab deletes and restores them, with a reason."""

    organization = "pk"
    page = "billing:overview"
    list_display = ("name", "external_id", "white_label", "is_active", "deleted_at")
    list_filter = ("white_label", "is_active")
    list_select_related = ("white_label",)
    search_fields = ("search_text__key_contains",)
    ordering = ("name_key", "id")
    inlines = (EntitlementsInline,)
    # Deletion and activity have a reason, a preview, and rules of their commands: they
    # are changed on the pages Details and Access.
    readonly_fields = (
        *("is_active", "deleted_at"),
        *("created_at", "updated_at", "created_by"),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "white_label",
                    "external_id",
                    "name",
                    "billing_email",
                    "contract_started_on",
                    "rate_limit",
                )
            },
        ),
        (
            "Status",
            {"fields": ("is_active", "is_billable", "is_personal", "deleted_at")},
        ),
        (
            "Address",
            {
                "classes": ("collapse",),
                "fields": (
                    "address_line_1",
                    "address_line_2",
                    "address_zip",
                    "address_city",
                    "address_state",
                    "address_country",
                ),
            },
        ),
        (
            "Details",
            {
                "classes": ("collapse",),
                "fields": (
                    "domain",
                    "logo_url",
                    "header_image_url",
                    "readme",
                    "experiments",
                    "hubspot_id",
                    "created_at",
                    "updated_at",
                    "created_by",
                ),
            },
        ),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Organization | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: usage has the rates of its white label."""
        unchangeable = () if obj is None else ("white_label",)
        return (*self.readonly_fields, *unchangeable)

    def save_model(
        self, request: HttpRequest, obj: Organization, form: Any, change: bool
    ) -> None:
        if not change:
            obj.created_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        if not change:
            signal_created([obj.pk])
        signal_availability([obj.pk])

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        signal_entitlements([form.instance.pk])
        if change:
            self._signal_changed(form, formsets)

    def _signal_changed(self, form: Any, formsets: Any) -> None:
        """Notify the apps above of what a person changed on the page."""
        organization, fields = form.instance, {*form.changed_data}
        if any(formset.has_changed() for formset in formsets):
            fields.add("entitlements")
        if fields:
            signal_changed([organization.pk], "updated", fields)


class _PeopleAdmin(VisibleRowsAdmin):
    """Members and projects; they are removed and restored on the People tab."""

    page = "orgs:people"
    list_select_related = ("organization",)
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    ordering = ("-id",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("deleted_at",) if obj is None else ("organization", "deleted_at")

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        signal_people([obj.organization_id])


@admin.register(Member)
class MemberAdmin(_PeopleAdmin):
    list_display = ("external_id", "email", "organization", "role", "deleted_at")
    search_fields = ("email__text_contains", "external_id__text_contains")


@admin.register(Project)
class ProjectAdmin(_PeopleAdmin):
    list_display = ("name", "external_id", "organization", "added_at", "deleted_at")
    search_fields = ("name__text_contains", "external_id__text_contains")


class ApiKeyForm(forms.ModelForm):
    address_ranges = AddressRangesField()


@admin.register(ApiKey)
class ApiKeyAdmin(VisibleRowsAdmin):
    """The admin page that lists API keys and revokes them.

    Keys are created and rotated on the page of API keys, which shows a new one once.
    """

    list_display = ("name", "start", "white_label", "organization", "last_used_at")
    list_select_related = ("white_label", "organization")
    search_fields = ("name", "start")
    ordering = ("-id",)
    actions = ("revoke",)
    form = ApiKeyForm
    page = "orgs:api_keys"
    editable = frozenset({"name", "address_ranges"})
    fields = (
        *("white_label", "organization", "name", "scopes", "address_ranges"),
        *("expires_at", "revoked_at", "replaces", "start", "created_by", "created_at"),
        *("last_used_at", "last_used_address"),
    )

    def view_on_site(self, row: Any) -> str:
        """Return the page of all keys."""
        return reverse(self.page)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        principal = access.principal_of(request.user)
        labels = access.visible_white_labels(principal)
        return ApiKey.objects.filter(white_label__in=labels)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> tuple[str, ...]:
        """Return what cannot be changed: an end is final, an identity is fixed."""
        return tuple(name for name in self.fields if name not in self.editable)

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: Any, change: bool
    ) -> None:
        edit_api_key(obj, name=obj.name, address_ranges=obj.address_ranges)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Lead to the page that creates keys, and shows a new one only once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("orgs:api_keys")

    @admin.action(description="Revoke selected API keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke the selected keys; those that are revoked stay as they are."""
        keys = list(queryset)
        for key in keys:
            revoke_api_key(key)
        messages.success(request, f"Revoked API keys: {len(keys)}")


class SuperusersOnly:
    """A mixin for superusers only: staff must not give themselves permissions."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    has_add_permission = has_module_permission

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ResetForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        help_text="Kept permanently in the history.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class AccountForm(UserChangeForm):
    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        manages = all(data.get(n) for n in ("is_active", "is_staff", "is_superuser"))
        if not manages and is_last_superuser(self.instance.pk):
            self.add_error(None, LastSuperuser().message)
        return data


_ACCESS_FIELDS = frozenset({
    "groups", "user_permissions", "is_superuser", "is_staff", "is_active",
    "white_label",
})  # fmt: skip


@admin.register(User)
class AccountAdmin(SuperusersOnly, ConfirmedWritesAdmin, UserAdmin):
    form = AccountForm
    readonly_fields = ("last_login", "date_joined")
    list_display = ("username", "email", "white_label", "is_staff", "is_active")
    list_select_related = ("white_label",)
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("White label", {"fields": ("white_label",)}),
    )

    def get_urls(self) -> list[Any]:
        reset = self.admin_site.admin_view(self.reset_two_factor)
        path_ = "<int:user_id>/reset-two-factor/"
        name = "orgs_user_reset_two_factor"
        return [path(path_, reset, name=name), *super().get_urls()]

    def reset_two_factor(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Remove the second factors of a person who lost them.

        Superusers only, who have to prove who they are if that was a while ago.
        """
        if not self.has_change_permission(request):
            raise PermissionDenied
        if not is_recently_confirmed(request):
            url = reverse("account_reauthenticate")
            return redirect(f"{url}?{urlencode({'next': request.path})}")
        account = get_object_or_404(User, pk=user_id)
        form = ResetForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reset_factors(account, reason=form.cleaned_data["reason"])
            messages.success(request, f"Two-factor login of {account} was reset.")
            return redirect("admin:orgs_user_change", user_id)
        context = {
            **self.admin_site.each_context(request),
            "title": "Reset two-factor login",
            "account": account,
            "form": form,
        }
        return render(request, "admin/orgs/user/reset_two_factor.html", context)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        with keep_last_superuser():
            super().save_model(request, obj, form, change)

    def user_change_password(
        self, request: HttpRequest, *args: Any, **options: Any
    ) -> Any:
        """Show or save the form of a new password of a person."""
        _require_confirmed_write(request)
        return super().user_change_password(request, *args, **options)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Save, and let other rights begin with another login.

        A person who changes their account goes on in a session with a new key.
        """
        super().save_related(request, form, formsets, change)
        if change and _ACCESS_FIELDS.intersection(form.changed_data):
            end_all_sessions(form.instance, reason="changed access")


for _model in (SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(_model)  # the environment names the provider; none is stored
admin.site.unregister(Authenticator)  # seeds and recovery codes, which no one may read
admin.site.unregister(EmailAddress)  # of all white labels; accounts have the address
admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(SuperusersOnly, ConfirmedWritesAdmin, GroupAdmin):
    """The admin page of roles, which `config.roles` writes at each migration."""
