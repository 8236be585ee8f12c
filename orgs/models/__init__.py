"""Tables of who: white labels, organizations, their people, keys and accounts."""

from orgs.models.account_emails import AccountEmail
from orgs.models.idempotency import IdempotencyKey
from orgs.models.jobs import Job
from orgs.models.keys import ApiKey, ApiKeyAddress
from orgs.models.logos import Logo
from orgs.models.notes import Note
from orgs.models.organizations import Entitlements, Organization
from orgs.models.people import Member, Project
from orgs.models.seals import HistorySeal, SealedRows
from orgs.models.search import SearchWord
from orgs.models.security import SecurityEvent
from orgs.models.sessions import Session
from orgs.models.users import RolePermission, User, UserPermission, UserRole
from orgs.models.views_as import ViewAs
from orgs.models.white_labels import WhiteLabel

__all__ = [
    "AccountEmail",
    "ApiKey",
    "ApiKeyAddress",
    "Entitlements",
    "HistorySeal",
    "IdempotencyKey",
    "Job",
    "Logo",
    "Member",
    "Note",
    "Organization",
    "Project",
    "RolePermission",
    "SealedRows",
    "SearchWord",
    "SecurityEvent",
    "Session",
    "User",
    "UserPermission",
    "UserRole",
    "ViewAs",
    "WhiteLabel",
]
