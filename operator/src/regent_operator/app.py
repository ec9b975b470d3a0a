"""kopf: watches the three kinds and feeds the store. Nothing else; kopf is imported here alone.

In namespaced mode it watches the namespaces that are managed; the policies of the operator's own namespace come by a
reflector then, since of the other two kinds nothing may be read there.

Low level only (`on.event`): kopf's higher handlers would write finalizers and annotations onto users' objects and
retry by patching them, and its index is quadratic at start.
"""

import asyncio
import gc
import itertools
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import kopf
import uvloop
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from regent_operator.engine.access import ClusterAccess, find_access
from regent_operator.engine.engine import Engine
from regent_operator.engine.resources import BY_KIND, GROUP, KINDS
from regent_operator.settings import Settings
from regent_operator.signing import Signer, SigningKeyError

VERSION = "v1alpha1"
IDLE_SECONDS = 0.1
"""For so long kopf keeps a task for an object that nothing more happens to, and with it the whole object."""
LISTED_AT_ONCE = 50
"""Objects in a page of kopf's lists, which it holds whole, and for each a task."""
REFUSED_SECONDS = 2.0
"""Until a refused token is read and tried again."""
YOUNG_OBJECTS = 50_000
"""Between two looks of the garbage collector. What is read and written of an agent is thousands of objects that are
gone in a moment without it, and what is kept at a start is no garbage: at 700, the default, its looks took an eighth
of the processor time at creation and a quarter of that of a restart.
"""


def run(settings: Settings) -> int:
    """Until SIGTERM or SIGINT, or until a part dies: then the exit code is 1."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # a line for each event of each object
    try:
        signer = Signer.read(Path(settings.signing_keys))
    except SigningKeyError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the words say it all
        return 1
    gc.set_threshold(YOUNG_OBJECTS)
    return uvloop.run(_run(settings, find_access(settings.kubeconfig, settings.context), signer))


async def _run(settings: Settings, access: ClusterAccess, signer: Signer) -> int:
    asyncio.get_running_loop().set_exception_handler(tell)
    engine = Engine(settings, access, signer)
    namespaces = settings.scope.managed
    try:
        await kopf.operator(
            registry=registry(engine, access),
            standalone=True,
            clusterwide=namespaces == (None,),
            namespaces=[name for name in namespaces if name is not None],
            stop_flag=engine.failed,
            memories=NoMemories(),
        )
    finally:
        await engine.stop()  # kopf cleans up only after a start that was completed
    return 1 if engine.failed.is_set() else 0


def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but for connections that were given up: uvloop tells a traceback of each, as an error."""
    given_up = (
        isinstance(context.get("exception"), RuntimeError) and context["message"] == "Fatal error on SSL protocol"
    )
    if given_up:
        logging.getLogger(__name__).debug("a connection was given up: %s", context["exception"])
    else:
        loop.default_exception_handler(context)


class Waits:
    """Between kopf's attempts, in seconds: it never gives up, and is never blind for long after an outage."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0)
        while True:
            yield 2.0 + random.random()  # noqa: S311


class NoDiffs(kopf.DiffBaseStorage):
    """kopf's memory of what it handled last. Nothing here asks for it, and building it copies every object."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return cast("kopf.BodyEssence", {})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is written onto users' objects."""


class NoMemories(ResourceMemories):
    """kopf's memory of each object: 1.2 KB, for handlers that go on from one event to the next. There is none here."""

    async def recall(self, *args: Any, **kwargs: Any) -> ResourceMemory:
        return await super().recall(*args, **kwargs | {"ephemeral": True})


def registry(engine: Engine, access: ClusterAccess) -> kopf.OperatorRegistry:
    """Handlers bound to one engine."""
    handlers = kopf.OperatorRegistry()
    logins = itertools.count()
    """kopf dies of credentials that are equal to refused ones, so each have a number. A refusal may pass (a server that
    begins), and the kubelet may bring another token: neither ends the operator.
    """

    @kopf.on.startup(registry=handlers, errors=kopf.ErrorsMode.PERMANENT)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.networking.request_timeout = 60
        settings.networking.error_backoffs = Waits()
        settings.persistence.diffbase_storage = NoDiffs()
        settings.queueing.idle_timeout = IDLE_SECONDS
        settings.watching.chunk_size = LISTED_AT_ONCE
        await engine.start()
        gc.collect()
        gc.freeze()

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: Any) -> None:
        await engine.stop()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        attempt = next(logins)
        if attempt:
            await asyncio.sleep(REFUSED_SECONDS)
        if access.token:
            access.token.expire()
        return kopf.ConnectionInfo(
            server=access.server,
            ca_data=access.ca,
            scheme="Bearer" if access.token else None,
            token=access.token.read() if access.token else None,
            certificate_data=access.certificate,
            private_key_data=access.key,
            priority=attempt,
        )

    async def observe(type: str | None, event: kopf.RawEvent, **_: Any) -> None:  # noqa: A002
        obj = cast("dict[str, Any]", event["object"])
        meta, resource = obj["metadata"], BY_KIND[obj["kind"]]
        if type == "DELETED":
            engine.store.gone(resource, meta["namespace"], meta["name"], meta["uid"])
        else:
            engine.store.seen(resource, obj)
        obj.clear()  # kopf's views of it refer to each other, so it would stay until the collector looks

    for resource in KINDS:
        kopf.on.event(GROUP, VERSION, resource.plural, registry=handlers, id=f"observe-{resource.plural}")(observe)
    return handlers
