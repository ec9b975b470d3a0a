"""What the API server holds, read over one `kubectl proxy`: tests look often, and a kubectl each costs 0.2 s of CPU."""

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

Object = dict[str, Any]
Document = Mapping[str, Any]


class Reader:
    """Kinds are named as for kubectl: `pod`, `pods`, `po`, `Deployment`, `deployments.apps`.

    Objects come as `kubectl get --output json` shows them, without `managedFields`. Raises OSError when the server (or
    the proxy at `port` of this machine) is away or refuses, KeyError for a kind that it does not serve.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._kinds: dict[str, tuple[str, str, bool]] = {}
        """Name -> path of the group's version, plural, whether it is namespaced."""

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """None when there is no such object."""
        status, body = self._ask(f"{self._path(kind, namespace)}/{name}")
        if status == http.client.NOT_FOUND:
            return None
        return _shown(_wanted(status, body))

    def all(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        """Those in the namespace that bear `labels`, such as `a=b,c`."""
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        listed = _wanted(*self._ask(f"{self._path(kind, namespace)}{query}"))
        one = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
        return [_shown(one | item) for item in listed["items"]]

    def _path(self, kind: str, namespace: str) -> str:
        name = kind.lower()
        if name not in self._kinds:
            self._kinds = dict(self._served()) | self._kinds
        prefix, plural, namespaced = self._kinds[name]
        return f"{prefix}/namespaces/{namespace}/{plural}" if namespaced else f"{prefix}/{plural}"

    def _served(self) -> Iterator[tuple[str, tuple[str, str, bool]]]:
        """Of two kinds with one name the first counts, last here: the core's before a group's."""
        groups = _wanted(*self._ask("/apis"))["groups"]
        versions = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        for prefix in reversed(versions):
            status, body = self._ask(prefix)
            if status != http.client.OK:  # an aggregated API that is down
                continue
            for resource in body["resources"]:
                if "/" in resource["name"]:
                    continue
                where = (prefix, resource["name"], resource["namespaced"])
                for word in _words(resource, prefix):
                    yield word, where

    def _ask(self, path: str) -> tuple[int, Document]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{path}: {error!r}") from error
        finally:
            connection.close()
        return answer.status, _document(body)


def _document(body: bytes) -> Document:
    try:
        found: Document = json.loads(body)
    except ValueError:
        return {"message": body.decode(errors="replace")}
    return found


def _wanted(status: int, body: Document) -> Document:
    if status != http.client.OK:
        raise OSError(f"{status}: {body.get('message')}")
    return body


def _shown(found: Document) -> Object:
    return dict(found) | {"metadata": {k: v for k, v in found["metadata"].items() if k != "managedFields"}}


def _words(resource: Document, prefix: str) -> set[str]:
    plural = resource["name"]
    group = prefix.removeprefix("/apis/").partition("/")[0]
    return {
        plural,
        f"{plural}.{group}",
        resource["singularName"],
        resource["kind"].lower(),
        *resource.get("shortNames", ()),
    }
