"""A Loki that checks what it receives as the real one does, and keeps the lines."""

import re
import socket
from dataclasses import dataclass, field

import orjson

from tests.support.receivers import Request, answer

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MAX_LABELS, _MAX_LINE, _OLDEST_NS = 15, 256 * 1_024, 7 * 86_400 * 10**9


@dataclass(slots=True)
class Loki:
    """Checks form, labels, sizes, ages, and the order of the lines of each stream.

    `lines` are those accepted, by the label `stream`. `now_ns` is its clock.
    """

    now_ns: int
    lines: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: Request, connection: socket.socket) -> None:
        """Answer a push: 204, or 400 with the reason as Loki words it."""
        problem = self._accept(request)
        script = answer(400, problem.encode()) if problem else answer()
        script(request, connection)

    def _accept(self, request: Request) -> str:
        if request.headers.get("content-type") != "application/json":
            return "unsupported content type"
        streams = orjson.loads(request.body)["streams"]
        problems = [self._problem(row["stream"], row["values"]) for row in streams]
        if any(problems):
            return next(filter(None, problems))
        for row in streams:
            self._keep(row["stream"]["stream"], row["values"])
        return ""

    def _problem(self, labels: dict[str, str], values: list[list[str]]) -> str:
        if not labels or len(labels) > _MAX_LABELS:
            return "stream has too many labels"
        if not all(
            _LABEL.fullmatch(k) and isinstance(v, str) for k, v in labels.items()
        ):
            return "error parsing labels"
        if not values or any(type(part) is not str for row in values for part in row):
            return "loghttp.PushRequest: unmarshalerDecoder"
        times = [int(time) for time, _ in values]
        if times != sorted(times) or times[0] < self.last.get(labels["stream"], 0):
            return "entry out of order"
        if times[0] < self.now_ns - _OLDEST_NS:
            return "timestamp too old"
        too_long = any(len(line.encode()) > _MAX_LINE for _, line in values)
        return "max entry size exceeded" if too_long else ""

    def _keep(self, stream: str, values: list[list[str]]) -> None:
        self.last[stream] = int(values[-1][0])
        lines = self.lines.setdefault(stream, [])
        lines += [orjson.loads(line) for _, line in values]
