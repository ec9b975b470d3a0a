"""docs/reference/operator.md lists the operator's series, all of them and no others."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from regent_operator.engine.access import ClusterAccess
from regent_operator.engine.engine import Engine
from regent_operator.settings import Settings
from regent_operator.signing import Signer

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/operator.md"


async def test_every_series_stands_in_the_reference() -> None:
    engine = Engine(Settings("regent-system", "runtime:1", "/keys"), ClusterAccess("http://127.0.0.1:1"), Signer.new())
    families = list(text_string_to_metric_families(engine.metrics.text().decode()))
    served = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    listed = set(re.findall(r"`(regent_operator_[a-z_]+)`", PAGE.read_text()))
    assert listed == served
