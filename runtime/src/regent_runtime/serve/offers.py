"""`PUT /config` on the status port: the operator hands over a config, instead of waiting until a kubelet mounts it.

The body is the `data` of the ConfigMap. Nothing but the seal says whose it is: whoever reaches the port can hand over
what the operator has sealed for this agent, and nothing older than what is in force.
"""

import msgspec

from regent_api.config import CONFIG_KEY
from regent_api.seal import SEAL_KEY
from regent_runtime.config import ConfigRefused
from regent_runtime.dialect.chat_completions.error import error_body
from regent_runtime.inforce import LARGEST_CONFIG, ConfigInForce
from regent_runtime.lifecycle import CallerGone
from regent_runtime.limits.bodies import Bodies
from regent_runtime.refusals import Refused
from regent_runtime.seal import LARGEST_SEAL, SealRefused
from regent_runtime.serve.errors import error_headers
from regent_runtime.serve.http import Receive, Scope, Send, read_json_body, respond, respond_and_close
from regent_runtime.serve.status import Status
from regent_runtime.telemetry import log

PATH = "/config"
TEXT = b"text/plain; charset=utf-8"


class Offers:
    """Answers with /statusz, or 409 and why not. Holds one body of the largest size at a time."""

    def __init__(self, in_force: ConfigInForce, status: Status) -> None:
        self._in_force = in_force
        self._status = status
        self._bodies = Bodies(LARGEST_CONFIG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._bodies.share() as share:
            try:
                body = await read_json_body(scope, receive, LARGEST_CONFIG, share)
            except CallerGone:
                return
            except Refused as refused:
                await respond_and_close(
                    receive, send, refused.refusal.status, error_body(refused), error_headers(refused)
                )
                return
            why_not = await self._take(body)
        if why_not is None:
            await respond(send, 200, msgspec.json.encode(self._status.document()))
        else:
            log.write("config_refused", error=why_not)
            await respond(send, 409, f"{why_not}\n".encode(), media_type=TEXT)

    async def _take(self, body: bytes) -> str | None:
        """None when it is in force."""
        try:
            data = msgspec.json.decode(body, type=dict[str, str])
            document, seal = data[CONFIG_KEY].encode(), data[SEAL_KEY].encode()
            if len(seal) > LARGEST_SEAL:
                return f"seal: larger than {LARGEST_SEAL} bytes"
            await self._in_force.take(document, seal)
        except (msgspec.DecodeError, UnicodeError, KeyError, RecursionError):
            return f"the body is not the data of a ConfigMap with {CONFIG_KEY} and {SEAL_KEY}"
        except (ConfigRefused, SealRefused) as refused:
            return str(refused)
        except Exception as error:  # noqa: BLE001 - no document may end the process
            return f"fault: {type(error).__name__}"
        return None
