"""FastAPI with SQLAlchemy's async session over asyncpg, served by uvloop."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from redis import asyncio as redis
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    ForeignKey,
    Text,
    func,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.peers.common import (
    COUNT,
    DATABASE_URL,
    REDIS_URL,
    WINDOW_MILLISECONDS,
    counter_name,
    days_with_starts,
    hash_key,
)

engine = create_async_engine(
    DATABASE_URL.replace("postgresql://", "postgresql+asyncpg://"),
    isolation_level="AUTOCOMMIT",  # saves two round trips per call
    pool_size=8,
    max_overflow=0,
)
Session = async_sessionmaker(engine, expire_on_commit=False)
client = redis.Redis.from_url(REDIS_URL, protocol=2)
count = client.register_script(COUNT)
app = FastAPI(title="Costs")


class Base(DeclarativeBase):
    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True)}


class WhiteLabel(Base):
    __tablename__ = "orgs_whitelabel"
    id: Mapped[int] = mapped_column(primary_key=True)
    time_zone: Mapped[str]
    default_rate_limit: Mapped[int]


class Organization(Base):
    __tablename__ = "orgs_organization"
    id: Mapped[int] = mapped_column(primary_key=True)
    white_label_id: Mapped[int] = mapped_column(ForeignKey("orgs_whitelabel.id"))
    rate_limit: Mapped[int | None]
    deleted_at: Mapped[datetime | None]


class ApiKey(Base):
    __tablename__ = "orgs_apikey"
    id: Mapped[int] = mapped_column(primary_key=True)
    key_hash: Mapped[bytes]
    white_label_id: Mapped[int]
    organization_id: Mapped[int | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class DailyUsage(Base):
    __tablename__ = "metrics_dailyusage"
    organization_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    meter: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(primary_key=True)
    period: Mapped[int] = mapped_column(primary_key=True)
    cost: Mapped[Decimal]


async def session() -> AsyncIterator[AsyncSession]:
    async with Session() as db:
        yield db


async def authorize(
    organization_id: int,
    db: Annotated[AsyncSession, Depends(session)],
    x_api_key: Annotated[str, Header()],
) -> WhiteLabel:
    """Return the white label of the key if the key may read the organization."""
    statement = (
        select(ApiKey, Organization, WhiteLabel)
        .join(WhiteLabel, WhiteLabel.id == ApiKey.white_label_id)
        .join(Organization, Organization.white_label_id == WhiteLabel.id)
        .where(
            ApiKey.key_hash == hash_key(x_api_key),
            Organization.id == organization_id,
            Organization.deleted_at.is_(None),
        )
    )
    row = (await db.execute(statement)).one_or_none()
    if row is None:
        raise HTTPException(401)
    key, organization, white_label = row
    now = datetime.now(UTC)
    if any(at is not None and at <= now for at in (key.expires_at, key.revoked_at)):
        raise HTTPException(401)
    if key.organization_id not in (None, organization_id):
        raise HTTPException(403)
    if "billing:read" not in key.scopes:
        raise HTTPException(403)
    await _count(key.id, organization, white_label)
    if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:  # noqa: PLR2004
        used = update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now)
        await db.execute(used)
    return white_label


async def _count(
    key_id: int, organization: Organization, white_label: WhiteLabel
) -> None:
    limit = organization.rate_limit or white_label.default_rate_limit
    name = counter_name(organization.id, key_id)
    number, _ = await count(keys=[name], args=[limit, WINDOW_MILLISECONDS])
    if number > limit:
        raise HTTPException(429)


@app.get("/api/v1/billing/costs/{organization_id}/charts")
async def charts(
    organization_id: int,
    start: Annotated[date, Query(alias="from")],
    end: Annotated[date, Query(alias="to")],
    white_label: Annotated[WhiteLabel, Depends(authorize)],
    db: Annotated[AsyncSession, Depends(session)],
) -> Response:
    statement = (
        select(DailyUsage.day, DailyUsage.product, func.sum(DailyUsage.cost))
        .where(
            DailyUsage.organization_id == organization_id,
            DailyUsage.day >= start,
            DailyUsage.day < end,
        )
        .group_by(DailyUsage.day, DailyUsage.product)
        .order_by(DailyUsage.day)
    )
    values: dict[date, list[dict[str, Any]]] = {}
    for day, product, cost in await db.execute(statement):
        point = {"id": product, "name": product, "value": float(cost)}
        values.setdefault(day, []).append(point)
    data = [
        {"timestamp": timestamp, "values": values.get(day, [])}
        for day, timestamp in days_with_starts(start, end, white_label.time_zone)
    ]
    return Response(orjson.dumps({"data": data}), media_type="application/json")
