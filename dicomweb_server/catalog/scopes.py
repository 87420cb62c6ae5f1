"""A study, series or instance as the rows that belong to it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from dicomweb_server.catalog.schema import instance, series, study, ticket
from dicomweb_server.model.ids import Scope, uids


def within(scope: Scope) -> ColumnElement[bool]:
    """Rows of study, series and instance joined, as far down as ``scope`` names them."""
    return _of(scope, study.c.tenant, study.c.study_uid, series.c.series_uid, instance.c.instance_uid)


def tickets_within(scope: Scope) -> ColumnElement[bool]:
    """Tickets of a scope and of what lies in it."""
    return _of(scope, ticket.c.tenant, ticket.c.study_uid, ticket.c.series_uid, ticket.c.instance_uid)


def _of(scope: Scope, tenant: ColumnElement[str], *levels: ColumnElement[str]) -> ColumnElement[bool]:
    named = [level == uid for level, uid in zip(levels, uids(scope), strict=True) if uid]
    return sa.and_(tenant == scope.tenant, *named)
