from dataclasses import replace

from regent_api.config import digest
from regent_operator.plan.config import declared_route
from regent_operator.plan.declared import declared
from tests.unit.plan.samples import route

DOMAIN = "cluster.local"


def test_a_route_is_read_once() -> None:
    one = route()
    read = declared(one, DOMAIN)
    assert declared(one, DOMAIN) is read
    assert read.config is read.config
    assert (read.rejection, read.config) == (None, declared_route(one.metadata.name, one.spec))
    assert read.digest == digest(read.config.wire())


def test_another_version_of_the_route_is_read_anew() -> None:
    one = route()
    edited = replace(one, spec=route(timeouts={"idle": "7s"}).spec)
    assert declared(edited, DOMAIN).config.timeouts.idle == 7.0
    assert declared(one, DOMAIN).digest != declared(edited, DOMAIN).digest
