"""The cost chart, built from the parts of Django REST framework."""

from datetime import date
from typing import Any

import redis
from django.db.models import Q, Sum
from django.urls import path
from django.utils import timezone
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from bench.peers.common import (
    COUNT,
    REDIS_URL,
    WINDOW_MILLISECONDS,
    counter_name,
    days_with_starts,
    hash_key,
)
from bench.peers.tables.models import ApiKey, DailyUsage, Organization

count = redis.Redis.from_url(REDIS_URL, protocol=2).register_script(COUNT)


class KeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[None, ApiKey]:
        now = timezone.now()
        key = (
            ApiKey.objects.select_related("white_label")
            .filter(
                Q(expires_at=None) | Q(expires_at__gt=now),
                Q(revoked_at=None) | Q(revoked_at__gt=now),
                key_hash=hash_key(request.headers.get("x-api-key", "")),
            )
            .first()
        )
        if key is None:
            raise exceptions.AuthenticationFailed
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:  # noqa: PLR2004
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return None, key


class ReadsBilling(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return "billing:read" in request.auth.scopes


class CountedThrottle(BaseThrottle):
    def allow_request(self, request: Request, view: Any) -> bool:
        organization = view.organization()
        limit = organization.rate_limit or request.auth.white_label.default_rate_limit
        name = counter_name(organization.pk, request.auth.pk)
        number, _ = count(keys=[name], args=[limit, WINDOW_MILLISECONDS])
        return bool(number <= limit)


class ValueSerializer(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    value = serializers.FloatField()


class PointSerializer(serializers.Serializer):
    timestamp = serializers.IntegerField()
    values = ValueSerializer(many=True)


class ChartsView(APIView):
    authentication_classes = [KeyAuthentication]
    permission_classes = [ReadsBilling]
    throttle_classes = [CountedThrottle]

    def organization(self) -> Organization:
        try:
            return Organization.objects.get(
                pk=self.kwargs["organization_id"],
                white_label=self.request.auth.white_label,
                deleted_at=None,
            )
        except Organization.DoesNotExist:
            raise exceptions.NotFound from None

    def get(self, request: Request, organization_id: int) -> Response:
        start = date.fromisoformat(request.query_params["from"])
        end = date.fromisoformat(request.query_params["to"])
        rows = (
            DailyUsage.objects.filter(
                organization_id=organization_id, day__gte=start, day__lt=end
            )
            .values_list("day", "product")
            .annotate(cost=Sum("cost"))
            .order_by("day")
        )
        values: dict[date, list[dict[str, Any]]] = {}
        for day, product, cost in rows:
            point = {"id": product, "name": product, "value": cost}
            values.setdefault(day, []).append(point)
        zone = request.auth.white_label.time_zone
        points = [
            {"timestamp": timestamp, "values": values.get(day, [])}
            for day, timestamp in days_with_starts(start, end, zone)
        ]
        return Response({"data": PointSerializer(points, many=True).data})


urlpatterns = [
    path("api/v1/billing/costs/<int:organization_id>/charts", ChartsView.as_view()),
]
