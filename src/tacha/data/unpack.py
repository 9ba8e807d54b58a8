"""Archives unpacked without trust: inside their folder, regular files only, bounded, whole or not at all."""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from tacha.errors import TachaError

ENTRIES = 500_000
RATIO = 20  # times the archive's size, and never more than TOTAL: images barely compress
LEAST = 100_000_000  # what any archive may come to, however small
TOTAL = 200_000_000_000
BLOCK = 1 << 20

Member = tuple[str, Callable[[], IO[bytes]] | None]  # name, how to read it; None for a folder


def unpack(archive: Path, folder: Path, arrange: Callable[[Path], None] | None = None) -> int:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a new folder and say how many files it held.

    The folder appears when all is unpacked and `arrange` has been through it; until then it has another name beside it.
    Raises TachaError, and leaves nothing, for what is no archive or a damaged one, for a name that leads outside, a
    link, a device, a name twice, too many entries or bytes, an encrypted entry, a full disk.
    """
    limit = min(TOTAL, max(LEAST, RATIO * archive.stat().st_size))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".unpacking", dir=folder.parent) as name:
            new = Path(name) / "new"
            new.mkdir()
            count = _unpack(archive, new, limit)
            if arrange is not None:
                arrange(new)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            new.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise TachaError(
                f"{folder}: no space left while unpacking {archive.name}; free some and try again"
            ) from None
        if error.errno is None:  # gzip and bz2 say so of what they cannot unpack
            raise TachaError(f"{archive.name}: not a whole archive ({error}); fetch it again") from None
        raise TachaError(f"{folder}: cannot be written ({error.strerror or error}); choose another folder") from None
    return count


def _unpack(archive: Path, folder: Path, limit: int) -> int:
    seen: set[str] = set()
    left = limit
    with _members(archive) as members:
        for entry, (name, opened) in enumerate(members):
            if entry >= ENTRIES:
                raise TachaError(f"{archive.name}: more than {ENTRIES:,} entries; it is not unpacked")
            target = folder / _safe(name, archive)
            if opened is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            key = target.as_posix()
            if key in seen:
                raise TachaError(f"{archive.name}: {name} is in it twice; it is not unpacked")
            seen.add(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, target.open("xb") as file:
                while block := source.read(BLOCK):
                    left -= len(block)
                    if left < 0:
                        raise TachaError(f"{archive.name}: unpacks to more than {limit:,} bytes; it is not unpacked")
                    file.write(block)
    if not seen:
        raise TachaError(f"{archive.name}: an empty archive")
    return len(seen)


def _safe(name: str, archive: Path) -> PurePosixPath:
    """The entry's path, which leads nowhere but down."""
    path = PurePosixPath(name)
    parts = path.parts
    if path.is_absolute() or ".." in parts or "\\" in name or "\0" in name or (parts and ":" in parts[0]):
        raise TachaError(f"{archive.name}: the entry {name!r} leads outside the folder; it is not unpacked")
    return path


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield _of_zip(file, archive)
        else:
            with tarfile.open(archive, "r|*") as tar:
                yield _of_tar(tar, archive)
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TachaError(f"{archive.name}: not a whole archive ({reason}); fetch it again") from None


def _of_tar(tar: tarfile.TarFile, archive: Path) -> Iterator[Member]:
    for member in tar:
        if member.isdir():
            yield member.name, None
        elif member.isreg():
            yield member.name, lambda m=member: _opened(tar, m)  # type: ignore[misc]
        else:
            raise TachaError(f"{archive.name}: {member.name!r} is a link or a device; it is not unpacked")


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name} cannot be read")
    return file


def _of_zip(file: zipfile.ZipFile, archive: Path) -> Iterator[Member]:
    for info in file.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            yield info.filename, None
        elif kind not in (0, stat.S_IFREG):
            raise TachaError(f"{archive.name}: {info.filename!r} is a link or a device; it is not unpacked")
        elif info.flag_bits & 1:
            raise TachaError(f"{archive.name}: {info.filename!r} is encrypted; it is not unpacked")
        else:
            yield info.filename, lambda i=info: file.open(i)  # type: ignore[misc]


def free_space(folder: Path) -> int:
    """Bytes free where the folder is, or will be."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    return shutil.disk_usage(there).free
