"""Which path is which endpoint; everything else is 404 or 405 in the shape of the dialect that the path is of."""

from collections.abc import Awaitable, Callable, Mapping

from regent_runtime.dialect.chat_completions.dialect import ChatCompletions
from regent_runtime.dialect.dialect import Dialect
from regent_runtime.refusals import METHOD_NOT_ALLOWED, NOT_FOUND, Refused
from regent_runtime.serve.errors import error_headers
from regent_runtime.serve.http import App, Receive, Scope, Send, respond_and_close


class Router:
    """Paths as they were written: `%2F` is no slash. `routes`: path -> method -> endpoint.

    A path that ends with `/{}` takes any one last segment there, which `segment` gives to the endpoint. `dialects`: a
    path -> what callers speak there and below it; elsewhere it is Chat Completions.
    """

    def __init__(
        self, routes: Mapping[str, Mapping[str, App]], dialects: Mapping[str, Callable[[], Dialect]] | None = None
    ) -> None:
        self._routes = routes
        self._dialects = dialects or {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["raw_path"].decode("latin-1")
        methods = self._methods(path)
        endpoint = methods.get(scope["method"]) if methods else None
        if endpoint is not None:
            return endpoint(scope, receive, send)
        dialect = self._dialect(path)
        if methods is None:
            return _refuse(Refused(NOT_FOUND, "There is nothing at this path."), dialect, receive, send)
        allowed = ", ".join(sorted(methods))
        refused = Refused(METHOD_NOT_ALLOWED, f"This path takes {allowed}.")
        return _refuse(refused, dialect, receive, send, allow=allowed)

    def _methods(self, path: str) -> Mapping[str, App] | None:
        folder, _, last = path.rpartition("/")
        return self._routes.get(path) or (self._routes.get(f"{folder}/{{}}") if last else None)

    def _dialect(self, path: str) -> Dialect:
        spoken = (dialect for root, dialect in self._dialects.items() if f"{path}/".startswith(f"{root}/"))
        return next(spoken, ChatCompletions)()


def segment(scope: Scope) -> str:
    """The last segment of the request's path."""
    path: bytes = scope["raw_path"]
    return path.decode("latin-1").rpartition("/")[2]


async def _refuse(refused: Refused, dialect: Dialect, receive: Receive, send: Send, *, allow: str = "") -> None:
    headers = error_headers(refused)
    if allow:
        headers.append((b"allow", allow.encode()))
    await respond_and_close(receive, send, refused.refusal.status, dialect.error(refused, None), headers)
