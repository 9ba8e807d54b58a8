"""Sets fetched from a real HTTP server on localhost: whole, broken off, wrong, refused, and with room for none."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_sets import picture, save, square_mask, write_mvtec
from PIL import Image

from tacha.cli import main
from tacha.data.check import check
from tacha.data.download import MARKER, download
from tacha.data.layouts import read_catalogue
from tacha.data.sets import SETS
from tacha.errors import TachaError

NAME = "mvtec_ad/screw"


@dataclass
class Site:
    """What the server does: `body` at any path, its manners, and the Range of each request that came."""

    body: bytes = b""
    cut: int | None = None  # break off after so many bytes
    status: int = 200
    ranges: bool = True
    etag: str = '"one"'
    kind: str = "application/x-xz"
    claims: int | None = None  # a Content-Length of its own
    pace: float = 0.0  # seconds between pieces
    chunked: bool = False  # no Content-Length: a piece at a time, as archives made on request come
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site, wanted = self.site, self.headers.get("Range")
        site.asked.append(wanted)
        if site.status != 200:
            self.send_error(site.status)
            return
        start = 0
        if wanted and site.ranges and self.headers.get("If-Range") in (None, site.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(site.body):
                self.send_error(416)
                return
        body = site.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", site.kind)
        if site.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(site.claims or len(body)))
        if site.etag:
            self.send_header("ETag", site.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
        self.end_headers()
        if site.cut is not None:
            body = body[: max(0, site.cut - start)]
        for at in range(0, len(body), 20_000):
            piece = body[at : at + 20_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if site.chunked else piece)
            self.wfile.flush()
            time.sleep(site.pace)
        if site.chunked and site.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    handler = type("Handler", (_Handler,), {"site": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/screw.tar.xz"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A category as MVTec packs it, a folder of its name with a licence beside the images, about 60 kB."""
    folder = tmp_path_factory.mktemp("source") / "screw"
    write_mvtec(folder)
    for i in range(8):
        save(folder / "train" / "good" / f"big{i}.png", picture(300 + i, 64))
    (folder / "license.txt").write_text("CC BY-NC-SA 4.0")
    return _tar(lambda tar: tar.add(folder, "screw"), "xz")


def _tar(fill: Callable[[tarfile.TarFile], None], kind: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as tar:
        fill(tar)
    return buffer.getvalue()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _get(site: Site, to: Path, **more: object) -> Path:
    wanted = {"accept_licence": True, "mirror": site.url, "sha256": _sha(site.body), **more}
    return download(NAME, to, **wanted)  # type: ignore[arg-type]


def _left(to: Path) -> list[str]:
    """Every file below a folder, temporary ones too."""
    return sorted(p.relative_to(to).as_posix() for p in to.rglob("*") if p.is_file())


# --- fetched ------------------------------------------------------------------------------------------------------


def test_a_set_is_fetched_unpacked_and_read(
    site: Site, archive: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.body = archive
    asked = ["data", "download", NAME, "--to", str(tmp_path), "--mirror", site.url, "--sha256", _sha(archive)]
    assert main([*asked, "--accept-licence"]) == 0
    out = capsys.readouterr().out
    folder = Path(out.splitlines()[-1])
    assert folder == tmp_path / "mvtec_ad" / "screw"
    assert "CC BY-NC-SA 4.0" in out
    assert "Bergmann" in out
    assert f"data=mvtec data.root={folder}" in out
    assert len(read_catalogue(folder)) == 19
    assert [p for p in check(folder).problems if p.severity != "note"] == []
    marker = json.loads((folder / MARKER).read_text())
    assert (marker["sha256"], marker["files"], marker["from"]) == (_sha(archive), 23, site.url)
    assert not [p for p in (tmp_path / "mvtec_ad").iterdir() if p.name != "screw"], "no working folder is left"
    assert main([*asked, "--accept-licence"]) == 0  # it is there: nothing is asked for again
    assert len(site.asked) == 1


def test_the_licence_must_be_accepted(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body = archive
    with pytest.raises(TachaError, match=r"CC BY-NC-SA 4\.0.*--accept-licence"):
        _get(site, tmp_path, accept_licence=False)
    assert site.asked == []
    assert _left(tmp_path) == []


def test_what_breaks_off_is_gone_on_with(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body, site.cut = archive, len(archive) // 2
    with pytest.raises(TachaError, match=r"the connection broke at .* of .*go on with --resume.*By hand"):
        _get(site, tmp_path)
    assert _left(tmp_path) == ["mvtec_ad/.screw.download/archive.part", "mvtec_ad/.screw.download/archive.part.json"]
    site.cut = None
    folder = _get(site, tmp_path, resume=True)
    assert site.asked == [None, f"bytes={len(archive) // 2}-"]
    assert len(read_catalogue(folder)) == 19


def test_an_archive_without_a_length(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body, site.chunked, site.cut = archive, True, 50_000
    with pytest.raises(TachaError, match=r"the connection broke at 50\.0 kB; 50\.0 kB are kept"):
        _get(site, tmp_path)
    site.cut = None
    assert len(read_catalogue(_get(site, tmp_path, resume=True))) == 19
    assert site.asked == [None, "bytes=50000-"]


def test_without_resume_it_starts_anew(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body, site.cut = archive, 30_000
    with pytest.raises(TachaError):
        _get(site, tmp_path)
    site.cut = None
    _get(site, tmp_path)
    assert site.asked == [None, None]


def test_several_breaks_are_gone_on_with_from_where_each_stopped(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body = archive
    for cut in (10_000, 25_000, 25_001):
        site.cut = cut
        with pytest.raises(TachaError, match="the connection broke"):
            _get(site, tmp_path, resume=True)
    site.cut = None
    _get(site, tmp_path, resume=True)
    assert site.asked == [None, "bytes=10000-", "bytes=25000-", "bytes=25001-"]


def test_a_server_without_ranges_gives_it_whole_again(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body, site.cut, site.ranges = archive, 30_000, False
    with pytest.raises(TachaError):
        _get(site, tmp_path)
    site.cut = None
    assert len(read_catalogue(_get(site, tmp_path, resume=True))) == 19
    assert site.asked == [None, "bytes=30000-"]


def test_a_server_that_does_not_name_its_file_is_not_gone_on_with(site: Site, archive: bytes, tmp_path: Path) -> None:
    """Without an ETag nobody knows whether the rest would be of the same file."""
    site.body, site.cut, site.etag = archive, 30_000, ""
    with pytest.raises(TachaError, match="cannot go on where it stopped"):
        _get(site, tmp_path)
    site.cut = None
    _get(site, tmp_path, resume=True)
    assert site.asked == [None, None]


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body, site.cut = b"\0" * 70_000, 30_000
    with pytest.raises(TachaError):
        _get(site, tmp_path)
    site.body, site.cut, site.etag = archive, None, '"two"'
    assert len(read_catalogue(_get(site, tmp_path, resume=True))) == 19


def test_whole_but_not_taken_over(site: Site, archive: bytes, tmp_path: Path) -> None:
    """All bytes had come when the process was killed: the server has no more to give (416)."""
    site.body, site.cut = archive, len(archive) - 1
    with pytest.raises(TachaError):
        _get(site, tmp_path)
    part = tmp_path / "mvtec_ad/.screw.download/archive.part"
    part.write_bytes(archive)
    site.cut = None
    assert len(read_catalogue(_get(site, tmp_path, resume=True))) == 19


def test_killed_in_the_middle_and_gone_on_with(site: Site, archive: bytes, tmp_path: Path) -> None:
    """A second process is interrupted as by Ctrl-C while bytes come."""
    site.body, site.pace = archive * 10, 0.05
    command = ["data", "download", NAME, "--to", str(tmp_path), "--accept-licence", "--mirror", site.url]
    process = subprocess.Popen(
        [sys.executable, "-m", "tacha", *command, "--sha256", _sha(site.body)], stderr=subprocess.PIPE, text=True
    )
    part = tmp_path / "mvtec_ad/.screw.download/archive.part"
    for _ in range(200):
        if part.is_file() and part.stat().st_size:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert error.splitlines()[-1] == "tacha: interrupted; what has come is kept: go on with --resume"
    have = part.stat().st_size
    assert 0 < have < len(site.body)
    site.pace = 0
    assert len(read_catalogue(_get(site, tmp_path, resume=True))) == 19  # a tar ends where it says so
    assert site.asked == [None, f"bytes={have}-"]


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "no longer there (HTTP 404)"),
        (403, "does not give it out (HTTP 403)"),
        (503, "cannot give it now (HTTP 503); try again later"),
        (418, "answered HTTP 418"),
    ],
)
def test_a_refusal_says_how_to_do_it_by_hand(
    site: Site, tmp_path: Path, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    site.status = status
    assert main(["data", "download", NAME, "--to", str(tmp_path), "--accept-licence", "--mirror", site.url]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert said in error[-1]
    assert "By hand: get the archive from https://www.mvtec.com" in error[-1]
    assert f"`tacha data download {NAME} --to {tmp_path} --accept-licence --mirror FILE`" in error[-1]
    assert _left(tmp_path) == []


def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TachaError, match=rf"127\.0\.0\.1:{port} cannot be reached\. By hand"):
        download(NAME, tmp_path, accept_licence=True, mirror=f"http://127.0.0.1:{port}/x.tar.xz")
    with pytest.raises(TachaError, match="By hand"):
        download(NAME, tmp_path, accept_licence=True, mirror="http://")


def test_another_file_than_the_known_one(site: Site, archive: bytes, tmp_path: Path) -> None:
    """Of a set with a known checksum the mirror is held against it without being asked."""
    site.body = archive
    with pytest.raises(TachaError, match=r"gave another file than the one known.*nothing of it was kept"):
        download(NAME, tmp_path, accept_licence=True, mirror=site.url)
    assert _left(tmp_path) == []


def test_a_web_page_instead_of_the_archive(site: Site, tmp_path: Path) -> None:
    site.body, site.kind = b"<html>sign in</html>", "text/html; charset=utf-8"
    with pytest.raises(TachaError, match="a web page came instead"):
        _get(site, tmp_path)
    assert _left(tmp_path) == []


def test_no_room_is_found_out_before_anything_comes(site: Site, tmp_path: Path) -> None:
    site.body, site.claims = b"x", 10**15
    with pytest.raises(TachaError, match=r"needs 2100000\.0 GB .* are free"):
        _get(site, tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.parametrize(("limit", "said"), [(20_000, "no space left; free some"), (130_000, "no space left while")])
def test_the_disk_fills_up(site: Site, tmp_path: Path, limit: int, said: str) -> None:
    """A second process whose files may not grow further, while fetching and while unpacking."""
    inside = b"\1" * 150_000
    site.body = _tar(lambda tar: tar.addfile(_entry("screw/train/good/0.png", len(inside)), io.BytesIO(inside)), "xz")
    if limit == 20_000:
        site.body = _tar(lambda tar: tar.addfile(_entry("a", 90_000), io.BytesIO(os.urandom(90_000))), "xz")
    command = ["data", "download", NAME, "--to", str(tmp_path), "--accept-licence", "--mirror", site.url]
    done = subprocess.run(
        [sys.executable, "-m", "tacha", *command, "--sha256", _sha(site.body)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mvtec_ad" / "screw").exists()
    assert not [p for p in _left(tmp_path) if "unpacking" in p]


def test_where_something_else_is(site: Site, archive: bytes, tmp_path: Path) -> None:
    site.body = archive
    save(tmp_path / "mvtec_ad" / "screw" / "mine.png", picture(1))
    with pytest.raises(TachaError, match="is there already and was not fetched whole"):
        _get(site, tmp_path)
    assert site.asked == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["no_such_set", "--to", "{to}"], "no such set; there are mvtec_ad, mvtec_loco, visa"),
        ([NAME], "give NAME and --to DIR"),
        ([], "give NAME and --to DIR"),
        ([NAME, "--to", "{to}", "--accept-licence", "--sha256", "12"], "not a SHA-256"),
        (
            [NAME, "--to", "{to}", "--accept-licence", "--mirror", "{to}/none.zip"],
            "no such file, and no http(s) address",
        ),
        (
            [NAME, "--to", "{to}", "--accept-licence", "--mirror", "ftp://x/y.zip"],
            "no such file, and no http(s) address",
        ),
        ([NAME, "--to", "/proc/none", "--accept-licence"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "download", *(a.replace("{to}", str(tmp_path)) for a in more)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("tacha: ")
    assert said in last
    assert _left(tmp_path) == []


# --- what there is ------------------------------------------------------------------------------------------------


def test_the_list_names_every_set_its_size_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "download", "--list"]) == 0
    out = capsys.readouterr().out
    for name in SETS:
        assert name in out
    assert "CC BY-NC-SA 4.0" in out
    assert "5.3 GB" in out


def test_the_sets_are_told_whole() -> None:
    for s in SETS.values():
        assert s.page.startswith("https://")
        assert s.url is None or s.url.startswith("https://")
        assert s.sha256 is None or len(s.sha256) == 64
        assert s.url or s.kaggle
        assert s.licence
        assert s.cite
    assert len({s.sha256 for s in SETS.values() if s.sha256}) == sum(bool(s.sha256) for s in SETS.values())
    assert sum(name.startswith("mvtec_ad/") for name in SETS) == 15


# --- archives that are not to be trusted --------------------------------------------------------------------------


def _entry(name: str, size: int = 0, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in more.items():
        setattr(info, key, value)
    return info


def _zip(fill: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        fill(file)
    return buffer.getvalue()


def _zip_link() -> bytes:
    info = zipfile.ZipInfo("screw/link")
    info.external_attr = 0o120777 << 16
    return _zip(lambda z: z.writestr(info, "/etc/passwd"))


def _zeros(count: int) -> bytes:
    return b"\0" * count


def _noise(kind: str) -> bytes:
    return _tar(lambda t: t.addfile(_entry("a", 9000), io.BytesIO(os.urandom(9000))), kind)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "up": (lambda: _tar(lambda t: t.addfile(_entry("../evil.png"))), "leads outside"),
    "up inside": (lambda: _tar(lambda t: t.addfile(_entry("a/../../evil.png"))), "leads outside"),
    "absolute": (lambda: _tar(lambda t: t.addfile(_entry("/tmp/evil.png"))), "leads outside"),
    "backslash": (lambda: _tar(lambda t: t.addfile(_entry("..\\evil.png"))), "leads outside"),
    "drive": (lambda: _tar(lambda t: t.addfile(_entry("C:evil.png"))), "leads outside"),
    "symlink": (
        lambda: _tar(lambda t: t.addfile(_entry("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"))),
        "link or a device",
    ),
    "hard link": (
        lambda: _tar(lambda t: t.addfile(_entry("a", type=tarfile.LNKTYPE, linkname="/etc/passwd"))),
        "link or a device",
    ),
    "device": (lambda: _tar(lambda t: t.addfile(_entry("a", type=tarfile.CHRTYPE))), "link or a device"),
    "pipe": (lambda: _tar(lambda t: t.addfile(_entry("a", type=tarfile.FIFOTYPE))), "link or a device"),
    "twice": (lambda: _tar(lambda t: [t.addfile(_entry("a")) for _ in range(2)] and None), "in it twice"),
    "tar bomb": (
        lambda: _tar(lambda t: t.addfile(_entry("a", 101_000_000), io.BytesIO(_zeros(101_000_000))), "gz"),
        "unpacks to more than 100,000,000 bytes",
    ),
    "zip bomb": (lambda: _zip(lambda z: z.writestr("a", _zeros(101_000_000))), "unpacks to more than"),
    "zip up": (lambda: _zip(lambda z: z.writestr("../evil.png", "x")), "leads outside"),
    "zip link": (_zip_link, "link or a device"),
    "empty": (lambda: _tar(lambda t: None), "an empty archive"),
    "text": (lambda: b"hello " * 1000, "not a whole archive"),
    "nothing": (lambda: b"", "not a whole archive"),
    "cut xz": (lambda: _noise("xz")[:5000], "not a whole archive"),
    "cut bz2": (lambda: _noise("bz2")[:5000], "not a whole archive"),
    "cut gz": (lambda: _noise("gz")[:5000], "not a whole archive"),
    "spoilt zip": (
        lambda: _zip(lambda z: z.writestr("a", "b" * 5000)).replace(b"b\xc8", b"\0\0", 1)[:60] + b"PK\5\6" + b"\0" * 18,
        "an empty archive",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_or_damaged_archive_leaves_nothing(kind: str, tmp_path: Path) -> None:
    make, said = HOSTILE[kind]
    file = tmp_path / "came" / "archive.bin"
    file.parent.mkdir()
    file.write_bytes(make())
    with pytest.raises(TachaError, match=said):
        download(NAME, tmp_path / "to", accept_licence=True, mirror=str(file), sha256=_sha(file.read_bytes()))
    assert _left(tmp_path) == ["came/archive.bin"]
    assert not Path("/tmp/evil.png").exists()


def test_an_encrypted_or_broken_entry_of_a_zip_is_refused(tmp_path: Path) -> None:
    whole = bytearray(_zip(lambda z: z.writestr("a.png", os.urandom(3000))))
    broken = bytes(whole[:200]) + b"\xff" * 50 + bytes(whole[250:])
    whole[6] |= 1  # the flag of the local header, and of the directory
    whole[whole.index(b"PK\1\2") + 8] |= 1
    for data, said in ((bytes(whole), "encrypted"), (broken, "not a whole archive")):
        file = tmp_path / "came.zip"
        file.write_bytes(data)
        with pytest.raises(TachaError, match=said):
            download(NAME, tmp_path / "to", accept_licence=True, mirror=str(file), sha256=_sha(data))
        assert _left(tmp_path) == ["came.zip"]


def test_rights_in_an_archive_are_not_taken_over(tmp_path: Path) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        tar.addfile(_entry("screw/train", type=tarfile.DIRTYPE, mode=0))
        tar.addfile(_entry("screw/train/good/a.png", 1, mode=0o4000), io.BytesIO(b"x"))

    file = tmp_path / "a.tar"
    file.write_bytes(_tar(fill))
    folder = download(NAME, tmp_path, accept_licence=True, mirror=str(file), sha256=_sha(file.read_bytes()))
    mode = (folder / "train/good/a.png").stat().st_mode
    assert mode & 0o7000 == 0
    assert mode & 0o400


# --- arranged -----------------------------------------------------------------------------------------------------


def _from_folder(name: str, source: Path, tmp_path: Path) -> Path:
    file = tmp_path / "by_hand.zip"
    file.write_bytes(
        _zip(lambda z: [z.write(p, p.relative_to(source).as_posix()) for p in sorted(source.rglob("*"))] and None)
    )
    return download(name, tmp_path / "to", accept_licence=True, mirror=str(file), sha256=_sha(file.read_bytes()))


def test_magnetic_tile_becomes_mvtec(tmp_path: Path) -> None:
    source = tmp_path / "source" / "Magnetic-tile-defect-datasets.-master"
    for i in range(20):
        _jpg(source / "MT_Free" / "Imgs" / f"exp{i}.jpg", i)
        save(source / "MT_Free" / "Imgs" / f"exp{i}.png", square_mask(24, filled=False))
    for kind in ("Blowhole", "Crack"):
        for i in range(3):
            _jpg(source / f"MT_{kind}" / "Imgs" / f"exp{i}.jpg", 50 + i + len(kind))
            save(source / f"MT_{kind}" / "Imgs" / f"exp{i}.png", square_mask())
    folder = _from_folder("magnetic_tile", source.parent, tmp_path)
    result = check(folder)
    assert result.counts == {"magnetic_tile": {"train": {"good": 16}, "test": {"good": 4, "blowhole": 3, "crack": 3}}}
    assert [p for p in result.problems if p.severity == "error"] == []
    assert not result.missing_masks
    assert _from_folder("magnetic_tile", source.parent, tmp_path) == folder  # and is not made again


def _jpg(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)


def test_the_masks_of_loco_are_united(tmp_path: Path) -> None:
    source = tmp_path / "source"
    part = source / "pushpins"
    write_mvtec(part, bad="logical_anomalies", masks=False)
    save(part / "validation" / "good" / "000.png", picture(900))
    one, other = square_mask(), square_mask(filled=False)
    other[15:20, 15:20] = 200  # as publishers grade their masks: any value but black
    for number, mask in enumerate((one, other)):
        save(part / "ground_truth" / "logical_anomalies" / "000" / f"{number:03d}.png", mask)
    for i in (1, 2):
        save(part / "ground_truth" / "logical_anomalies" / f"{i:03d}" / "000.png", one)
    save(source / "juice_bottle" / "train" / "good" / "000.png", picture(901))
    folder = _from_folder("mvtec_loco", source, tmp_path)
    shares = [s.share for s in check(folder).exploration.seen if s.share is not None]
    assert shares == pytest.approx([50 / 576, 25 / 576, 25 / 576])
    assert read_catalogue(folder).categories == ("juice_bottle", "pushpins")


def test_visa_gets_a_table(tmp_path: Path) -> None:
    source = tmp_path / "source"
    rows = ["object,split,label,image,mask"]
    for i in range(4):
        image = f"candle/Data/Images/Normal/{i:04d}.JPG"
        _jpg(source / image, i)
        rows.append(f"candle,{'train' if i < 3 else 'test'},normal,{image},")
    _jpg(source / "candle/Data/Images/Anomaly/000.JPG", 77)
    save(source / "candle/Data/Masks/Anomaly/000.png", square_mask())
    rows.append("candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png")
    (source / "split_csv").mkdir()
    (source / "split_csv" / "1cls.csv").write_text("\n".join(rows) + "\n")
    result = check(_from_folder("visa", source, tmp_path))
    assert result.layout == "csv"
    assert result.counts == {"candle": {"train": {"good": 3}, "test": {"good": 1, "bad": 1}}}
    assert [s.n for s in result.exploration.shares] == [1]


def test_btad_and_leather_are_lifted_out_of_their_folder(tmp_path: Path) -> None:
    source = tmp_path / "one"
    write_mvtec(source / "BTech_Dataset_transformed" / "01", bad="ko", good="ok")
    write_mvtec(source / "BTech_Dataset_transformed" / "02", bad="ko", good="ok")
    assert read_catalogue(_from_folder("btad", source, tmp_path)).categories == ("01", "02")
    leather = tmp_path / "two"
    for kind in ("non defective", "pinhole"):
        save(leather / "Leather Defect Classification" / kind / "0.png", picture(len(kind)))
    folder = _from_folder("leather_defects", leather, tmp_path)
    assert len(read_catalogue(folder, "classes", good_class="non defective")) == 2


@pytest.mark.parametrize("name", ["magnetic_tile", "visa"])
def test_an_archive_of_something_else_is_refused(name: str, tmp_path: Path) -> None:
    save(tmp_path / "source" / "a.png", picture(1))
    with pytest.raises(TachaError, match="it is not the one expected"):
        _from_folder(name, tmp_path / "source", tmp_path)
    assert _left(tmp_path) == ["by_hand.zip", "source/a.png"]


def test_a_category_is_there_where_the_whole_set_is(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_mvtec(source / "screw")
    write_mvtec(source / "bottle")
    whole = _from_folder("mvtec_ad", source, tmp_path)
    assert download(NAME, tmp_path / "to", accept_licence=True, mirror=site.url) == whole / "screw"
    assert site.asked == []


# --- Kaggle -------------------------------------------------------------------------------------------------------


def test_kaggles_client_fetches_through_its_own_api(tmp_path: Path) -> None:
    """Its real client; the port of this machine is the one it has for tests."""
    pytest.importorskip("kagglehub")
    inside = _zip(lambda z: [z.writestr(f"Leather/{k}/0.png", k) for k in ("non defective", "pinhole")] and None)

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = inside if self.path.endswith("/DownloadDataset") else b'{"currentVersionNumber": 1}'
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if body is inside else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer(("127.0.0.1", 7777), Api)
    except OSError:
        pytest.skip("port 7777 is taken")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        done = _leather(tmp_path)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "to" / "leather_defects"
    assert done.stdout.splitlines()[-1] == str(folder)
    assert _left(tmp_path / "to") == [f"leather_defects/{f}" for f in (MARKER, "non defective/0.png", "pinhole/0.png")]
    assert not (tmp_path / "to" / ".leather_defects.kaggle").exists()


def _leather(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    keys = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")
    environment = {k: v for k, v in os.environ.items() if k not in keys}
    environment |= {"KAGGLE_API_ENVIRONMENT": "TEST", "KAGGLE_CONFIG_DIR": str(tmp_path), "HOME": str(tmp_path)}
    command = ["data", "download", "leather_defects", "--to", str(tmp_path / "to"), "--accept-licence"]
    return subprocess.run(
        [sys.executable, "-m", "tacha", *command], capture_output=True, text=True, env=environment, timeout=120
    )


def test_kaggles_client_fails_in_one_line(tmp_path: Path) -> None:
    """Its real client, pointed at a port of this machine where nobody listens, without any key."""
    pytest.importorskip("kagglehub")
    done = _leather(tmp_path)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tacha: leather_defects: Kaggle did not give it (")
    assert "KAGGLE_API_TOKEN" in last
    assert "--mirror FILE" in last
    assert "Traceback" not in done.stderr
