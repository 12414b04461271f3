"""Put the model of a finished training run among the hub's files: fp16, scores, hash, card.

    python scripts/publish.py runs/vdsr-x4/model.safetensors --set DIR/Set5 --set DIR/Set14

The files in hub/ are what the address in `superres.hub` serves; the package has their cards alone.
Scores are taken of the very file that is served, in fp32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from embed import in_half, scored, tell
from superres.atomic import atomic_write_bytes
from superres.hub import TABLE_NAME, HubFile, hub_files
from superres.modelfiles.checkpoint import save_network
from superres.zoo import weights_folder

FOLDER = Path(__file__).resolve().parents[1] / "hub"


def main() -> None:
    """Publish one model and renew the table of the hub."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        network, card, half = in_half(arguments.model, Path(scratch))
        card = scored(card, half, arguments.sets)
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / half.name
    card = save_network(network, card, file, half=True)

    data = file.read_bytes()
    entry = HubFile(
        name=card.name,
        kind="model",
        file=file.name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        licence=card.licence,
        source=f"trained by the recipe {card.name}",
        card=card,
    )
    entries = sorted(
        [*(file for file in hub_files() if file.file != entry.file), entry], key=lambda e: e.file
    )
    table = [one.model_dump(mode="json", exclude_none=True) for one in entries]
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    atomic_write_bytes(weights_folder() / TABLE_NAME, text.encode())
    tell(card)


if __name__ == "__main__":
    main()
