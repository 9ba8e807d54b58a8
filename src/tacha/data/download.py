"""A public set from its publisher to a folder that tacha reads: fetched, checked, unpacked, arranged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from tacha.data.arrange import ARRANGEMENTS
from tacha.data.resume import Resuming, size
from tacha.data.sets import DataSet, data_set
from tacha.data.unpack import free_space, unpack
from tacha.errors import TachaError
from tacha.files import check_folder, write_text

MARKER = ".tacha_download.json"
ROOM = 1.1  # unpacked images take about what the archive takes; a tenth more for blocks and folders


def download(
    name: str,
    to: str | os.PathLike[str],
    *,
    accept_licence: bool = False,
    mirror: str | None = None,
    sha256: str | None = None,
    resume: bool = False,
) -> Path:
    """Fetch a set into `to`/NAME and return that folder; one that is there already is returned as it is.

    `mirror` is another address of the same archive, or a file on this machine; `sha256` is what the archive must have,
    by default what is known of it. `resume` goes on with what an earlier try left. Raises TachaError with the reason
    and how to do it by hand; the folder appears whole or not at all.
    """
    wanted = data_set(name)
    if not accept_licence:
        raise TachaError(
            f"{name} has a licence of its own ({wanted.licence}; {wanted.page}): read it, then give --accept-licence"
        )
    digest = _digest(sha256) or wanted.sha256
    folder = Path(to) / wanted.name
    if _is_there(folder, wanted):
        return folder
    check_folder(folder)
    if wanted.kaggle and mirror is None:
        _from_kaggle(wanted, folder)
        return folder
    with _by_hand(wanted, to):
        if mirror is not None and not urlsplit(mirror).scheme.startswith("http"):
            archive, work = _file(mirror), None
        else:
            archive, work = _fetched(wanted, mirror or wanted.url, folder, digest, resume)
        found = _checked(archive, digest)
        _check_room(archive, folder)
        files = unpack(archive, folder, ARRANGEMENTS.get(wanted.arrangement))
    _mark(folder, wanted, found, files, mirror or wanted.url or "")
    if work is not None:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def listing() -> list[tuple[str, str, str, str]]:
    """(name, what it is, size, licence) of every set, categories of MVTec AD after it."""
    from tacha.data.sets import SETS

    return [(s.name, s.title, size(s.size) if s.size else "not known", s.licence) for s in SETS.values()]


def _is_there(folder: Path, wanted: DataSet) -> bool:
    whole = wanted.name.rpartition("/")[0]
    if _marked(folder, wanted.name) or (whole and _marked(folder.parent, whole) and (folder / "train").is_dir()):
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TachaError(f"{folder}: is there already and was not fetched whole; remove it or choose another --to")
    return False


def _marked(folder: Path, name: str) -> bool:
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("name") == name


def _digest(given: str | None) -> str | None:
    if given is None:
        return None
    digest = given.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise TachaError(f"--sha256 {given}: not a SHA-256; give its 64 hexadecimal digits")
    return digest


def _file(mirror: str) -> Path:
    path = Path(mirror.removeprefix("file://")).expanduser()
    if not path.is_file():
        raise TachaError(f"{mirror}: no such file, and no http(s) address")
    return path


def _fetched(
    wanted: DataSet, url: str | None, folder: Path, digest: str | None, resume: bool
) -> tuple[Path, Path | None]:
    """The archive, in a working folder beside the set's, which stays when something fails."""
    if url is None:
        raise TachaError("no address of its archive is known")
    pooch = _pooch()
    work = folder.parent / f".{folder.name}.download"
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TachaError(f"{work}: cannot be written ({error.strerror}); choose another folder") from None
    archive = work / "archive"
    downloader = Resuming(work / "archive.part", ROOM)
    if not resume:
        downloader.forget()
        if digest is None:  # of what cannot be checked, an earlier try's is not trusted either
            archive.unlink(missing_ok=True)
    try:
        pooch.retrieve(url, f"sha256:{digest}" if digest else None, archive.name, work, downloader=downloader)
    except ValueError:  # pooch has removed what it found wrong
        raise TachaError(
            f"{url} gave another file than the one known (SHA-256 {digest}); nothing of it was kept; "
            "where the publisher has a new one, give its --sha256"
        ) from None
    return archive, work


def _pooch() -> ModuleType:
    try:
        import pooch
    except ImportError:
        raise TachaError("fetching needs pooch: pip install 'tacha[download]'") from None
    pooch.get_logger().setLevel("WARNING")
    module: ModuleType = pooch
    return module


def _checked(archive: Path, digest: str | None) -> str:
    found = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    if digest is not None and found.hexdigest() != digest:
        raise TachaError(f"{archive}: another file than the one known (SHA-256 {found.hexdigest()}, not {digest})")
    return found.hexdigest()


def _check_room(archive: Path, folder: Path) -> None:
    needed, free = int(archive.stat().st_size * ROOM), free_space(folder.parent)
    if needed > free:
        raise TachaError(f"unpacking needs about {size(needed)}, {size(free)} are free; free some space")


@contextlib.contextmanager
def _by_hand(wanted: DataSet, to: str | os.PathLike[str]) -> Iterator[None]:
    """To whatever goes wrong, the way around it."""
    try:
        yield
    except TachaError as error:
        reason = str(error).rstrip(".")
        raise TachaError(
            f"{wanted.name}: {reason}. By hand: get the archive from {wanted.page} with a browser, then "
            f"`tacha data download {wanted.name} --to {to} --accept-licence --mirror FILE`"
        ) from None


def _mark(folder: Path, wanted: DataSet, digest: str, files: int, source: str) -> None:
    about = {"name": wanted.name, "licence": wanted.licence, "page": wanted.page, "cite": wanted.cite}
    write_text(
        folder / MARKER, json.dumps({**about, "from": source, "sha256": digest, "files": files}, indent=1) + "\n"
    )


def _from_kaggle(wanted: DataSet, folder: Path) -> None:
    """Through Kaggle's own client and the user's key; its cache is the working folder, where it goes on by itself."""
    by_hand = (
        f"By hand: download it from {wanted.page} with a browser, then `tacha data download {wanted.name} "
        f"--to {folder.parent} --accept-licence --mirror FILE`"
    )
    try:
        import kagglehub
    except ImportError:
        raise TachaError(f"{wanted.name}: needs kagglehub: pip install 'tacha[kaggle]'. {by_hand}") from None
    work = folder.parent / f".{folder.name}.kaggle"
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(work)
    try:
        found = Path(kagglehub.dataset_download(wanted.kaggle))
    except Exception as error:  # of many libraries: requests, its own, urllib3, OSError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TachaError(
            f"{wanted.name}: Kaggle did not give it ({reason}); is your key set (KAGGLE_API_TOKEN, or KAGGLE_USERNAME "
            f"and KAGGLE_KEY)? {by_hand}"
        ) from None
    finally:
        if before is None:
            del os.environ["KAGGLEHUB_CACHE"]
        else:
            os.environ["KAGGLEHUB_CACHE"] = before
    links = [p for p in found.rglob("*") if p.is_symlink()]
    if links:
        raise TachaError(f"{wanted.name}: {links[0].name} in it is a link; it is not used. {by_hand}")
    ARRANGEMENTS[wanted.arrangement](found)
    files = sum(p.is_file() for p in found.rglob("*"))
    if folder.is_dir():
        folder.rmdir()  # an empty one: others were refused
    found.rename(folder)
    _mark(folder, wanted, "", files, f"kaggle:{wanted.kaggle}")
    shutil.rmtree(work, ignore_errors=True)
