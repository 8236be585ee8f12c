"""Shapes of usage and costs as programs send and read them."""

from metrics.schemas.charts import (
    ChartsIn,
    ChartsOut,
    RangeIn,
    charts_body,
    number,
)

__all__ = ["ChartsIn", "ChartsOut", "RangeIn", "charts_body", "number"]
