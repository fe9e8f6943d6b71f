"""
The routes that are not a stream: models, liveness, readiness, the root, and
the errors for everything else.

A Quart-Trio application. Its own lifespan is never run and its own limits are
off: bodies are read and bounded before it is asked, and its 60 s response
timeout would be a second clock next to the relay's.
"""

from __future__ import annotations

import logging
from typing import Any, NoReturn, cast

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from trooper.core.names import is_sayable
from trooper.web.answers import ErrorShape
from trooper.web.protocol import Scope, Serving
from trooper.wires import Wires

#: Where the scope carries the running services.
SERVICES_KEY = "trooper.services"

#: Where it carries our name in `Via`.
VIA_NAME_KEY = "trooper.via_name"


def create_routes(wires: Wires) -> QuartTrio:
    """The application; it serves scopes that have passed the front door. `wires`: whose paths are the relay's."""
    app = _new_application()

    @app.get("/healthz")
    async def healthz() -> Any:
        return {"status": "ok"}

    @app.get("/")
    async def root() -> Any:
        # How some agents see whether somebody is there: somebody is, whatever becomes of the provider.
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Any:
        # Never 503 from here: that is what every path says while there are no services.
        return dict(_services().readiness())

    @app.get("/v1/models")
    async def models() -> Any:
        # The scope's headers, not Quart's: those are title-cased text, and the
        # front door's keys have been taken out of these.
        scope = _scope()
        status, headers, body = await _services().models(tuple(scope["headers"]), scope[VIA_NAME_KEY])
        answer = app.response_class(body, status=status)
        answer.headers.pop("content-type", None)
        answer.headers.extend((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        answer.headers["content-length"] = str(len(body))
        return answer

    async def relayed() -> NoReturn:
        # Known here so that other methods get 405 and not 404. The relay has the POSTs; here
        # is one whose encoded slashes the router takes for such a path, and we do not.
        raise NotFound

    for path in wires.paths:
        app.post(path, endpoint=path.replace("/", "_"))(relayed)

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        code, message = _explain(error, request.method, request.path)
        shape = ErrorShape(wires.asking_side(request.path, tuple(_scope()["headers"])))
        answer = app.response_class(shape.body(status, code, message), status=status)
        answer.headers["content-type"] = "application/json"
        answer.headers.extend((name.decode(), value.decode()) for name, value in shape.headers())
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            answer.headers["allow"] = ", ".join(sorted(error.valid_methods))
        return answer

    return app


def _new_application() -> QuartTrio:
    app = QuartTrio(__name__, static_folder=None)
    # Its lines come out as those of any other logger. By itself Quart puts a queue without
    # a bound in between, to what standard error was when it was imported.
    if logging.lastResort is not None:
        logging.getLogger(app.name).addHandler(logging.lastResort)
    # What is one path was decided before: no redirects.
    app.url_map.merge_slashes = False
    app.config.update(
        RESPONSE_TIMEOUT=None,
        BODY_TIMEOUT=None,
        MAX_CONTENT_LENGTH=None,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    return app


def _scope() -> Scope:
    return cast("Scope", request.scope)


def _services() -> Serving:
    return cast("Serving", _scope()[SERVICES_KEY])


def _explain(error: HTTPException, method: str, path: str) -> tuple[str, str]:
    match error.code:
        case 404:
            # The commonest mistake with an SDK: a base URL without /v1.
            hint = "" if path.startswith("/v1/") else " The base URL of an SDK ends in /v1."
            return "unknown_url", f"Trooper does not serve {_said(method)} {_said(path)}.{hint}"
        case 405:
            return "method_not_allowed", f"Trooper does not serve {_said(method)} {_said(path)}."
        case _:
            return "internal_error", "Trooper failed to answer. Its log says why."


def _said(text: str) -> str:
    """A method or a path, as far as it can be said in a sentence."""
    return text if is_sayable(text) else "…"
