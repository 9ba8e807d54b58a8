"""A profile as files: profile.json, operators.csv, layers.csv."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tacha.files import write_text
from tacha.profiling.layers import write_layers
from tacha.profiling.measure import Profile
from tacha.profiling.operators import write_operators


def write_profile(folder: Path, found: Profile, about: Mapping[str, Any]) -> list[Path]:
    """profile.json (a row a stage, and `about`), operators.csv, and layers.csv where OpenVINO counted any."""
    rows = [{"artefact": about["artefact"], **asdict(stage), "unit": "ms an image"} for stage in found.stages]
    text = json.dumps({"rows": rows, "run": dict(about)}, indent=1, allow_nan=False)
    out = [write_text(folder / "profile.json", text + "\n"), write_operators(folder / "operators.csv", found.operators)]
    if found.layers:
        out.append(write_layers(folder / "layers.csv", found.layers))
    return out
