"""Each source, written once in two languages, becomes a notebook in Spanish and its English twin, without outputs.

`python notebooks/build.py` writes them; `--check` writes nothing and fails where something would change. A Markdown
cell says its language as `lang="es"`; code cells, and cells without a language, are in both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
LANGUAGES = ("es", "en")


def built() -> dict[Path, str]:
    import jupytext

    found = {}
    for source in sorted((HERE / "source").glob("*.py")):
        for language in LANGUAGES:
            notebook = jupytext.read(source)
            cells = [c for c in notebook.cells if c.metadata.get("lang", language) == language]
            for number, cell in enumerate(cells):
                cell.metadata.pop("lang", None)
                cell["id"] = f"{source.stem}-{number}"
                cell.source = cell.source.replace('LANGUAGE = "es"', f'LANGUAGE = "{language}"')
            notebook.cells = cells
            notebook.metadata = {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            }
            notebook.nbformat, notebook.nbformat_minor = 4, 5
            found[HERE / language / f"{source.stem}.ipynb"] = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    return found


if __name__ == "__main__":
    stale = {p: t for p, t in built().items() if not p.is_file() or p.read_text(encoding="utf-8") != t}
    if "--check" in sys.argv:
        sys.exit("\n".join(f"{path}: stale; run python notebooks/build.py" for path in stale))
    for path, text in stale.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"{path}: written")
