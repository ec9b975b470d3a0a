"""The chart, and the chart as a later version would be."""

import shutil
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parents[1] / "charts" / "regent"


def newer(folder: Path) -> Path:
    """Version 9.9.9 with the same images, in `folder`: the spec of each kind has one more field, `newGrant`."""
    chart = folder / "regent"
    shutil.copytree(CHART, chart)
    about = chart / "Chart.yaml"
    about.write_text(yaml.safe_dump(yaml.safe_load(about.read_text()) | {"version": "9.9.9"}))
    for file in (chart / "crds").iterdir():
        crd = yaml.safe_load(file.read_text())
        (version,) = crd["spec"]["versions"]
        fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        fields["newGrant"] = {"type": "string", "description": "Entered later."}
        file.write_text(yaml.safe_dump(crd))
    return chart
