"""Downloads from a web server: complete and verified, or none at all."""

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from web_server import endless, redirecting, sending, serving

from superres.download import Wanted, download
from superres.errors import ArgumentError, ModelError, OutputError
from superres.watch import Watch

DATA = bytes(range(256)) * 4096  # 1 MiB: several chunks
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made" / "for it"


def fetch(url, folder, *, progress=None):
    wanted = Wanted(url, folder / "w.safetensors", len(DATA), SHA256)
    download(wanted, Watch(on_progress=progress))


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_good_file_arrives_and_nothing_else_is_left(folder):
    seen = []
    with serving({"/w": sending(DATA)}) as (url, _):
        fetch(f"{url}/w", folder, progress=lambda *numbers: seen.append(numbers))
    assert left(folder) == ["w.safetensors"]
    assert (folder / "w.safetensors").read_bytes() == DATA
    assert seen == sorted(seen)
    assert seen[-1] == (len(DATA), len(DATA))


BROKEN = {
    "another hash": (sending(DATA[:-1] + b"?"), "the downloaded file has the hash"),
    "too long": (sending(DATA + b"x"), "the response is longer"),
    "without end": (endless, "the response is longer"),
    "too short": (sending(DATA[:-1]), f"the response ended after {len(DATA) - 1:,} bytes"),
    "empty": (sending(b""), "the response ended after 0 bytes"),
    "no longer there": (redirecting("/none"), "answered 404"),
    "elsewhere by ftp": (redirecting("ftp://127.0.0.1/w"), "connection failed"),
    "in a file": (redirecting("file:///etc/hostname"), "answered 302"),
    "in a circle": (redirecting("/w"), "answered 302"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_as_announced_never_takes_the_files_place(case, folder):
    answer, message = BROKEN[case]
    folder.mkdir(parents=True)
    (folder / "w.safetensors").write_bytes(b"old")
    with serving({"/w": answer}) as (url, _), pytest.raises(ModelError, match=message) as caught:
        fetch(f"{url}/w", folder)
    assert left(folder) == ["w.safetensors"]
    assert (folder / "w.safetensors").read_bytes() == b"old"
    assert f"{url}/w" in caught.value.message
    assert str(folder / "w.safetensors") in caught.value.hint


def test_a_broken_connection_leaves_nothing(folder):
    short = sending(DATA[: len(DATA) // 2], announced=len(DATA))
    with serving({"/w": short}) as (url, _), pytest.raises(ModelError, match=r"w\.safetensors"):
        fetch(f"{url}/w", folder)
    assert left(folder) == []


def test_an_interrupt_leaves_nothing(folder):
    def interrupt(arrived, _):
        if arrived > len(DATA) // 2:
            raise KeyboardInterrupt

    with serving({"/w": sending(DATA)}) as (url, _), pytest.raises(KeyboardInterrupt):
        fetch(f"{url}/w", folder, progress=interrupt)
    assert left(folder) == []


def test_a_refused_connection_says_where_to_put_the_file(folder):
    with socket.socket() as taken:  # bound and not listening, so that nothing else answers there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/w"
        with pytest.raises(ModelError, match="the connection failed") as caught:
            fetch(url, folder)
    message = caught.value.message
    assert all(word in message for word in ("w.safetensors", "1,048,576 bytes", url))
    assert SHA256 in message
    assert str(folder / "w.safetensors") in caught.value.hint
    assert left(folder) == []


def test_a_redirect_is_followed(folder):
    with serving({"/w": redirecting("/other"), "/other": sending(DATA)}) as (url, asked):
        fetch(f"{url}/w", folder)
    assert asked == ["/w", "/other"]
    assert left(folder) == ["w.safetensors"]


def test_two_at_once_both_end_with_the_whole_file(folder):
    both = threading.Barrier(2, timeout=20)

    def answer(request):
        both.wait()
        sending(DATA)(request)

    with serving({"/w": answer}) as (url, asked), ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(fetch, f"{url}/w", folder) for _ in range(2)]:
            one.result(timeout=20)
    assert len(asked) == 2
    assert left(folder) == ["w.safetensors"]
    assert (folder / "w.safetensors").read_bytes() == DATA


def test_a_proxy_in_the_environment_is_not_used(folder, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving({}) as (proxy, through_proxy), serving({"/w": sending(DATA)}) as (url, _):
        monkeypatch.setenv("http_proxy", proxy)
        fetch(f"{url}/w", folder)
    assert through_proxy == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://host/w", "data:,x", "/etc/w", ""])
def test_only_web_addresses_are_fetched_from(url, folder):
    with pytest.raises(ArgumentError, match="only http and https"):
        fetch(url, folder)
    assert not folder.exists()


@pytest.mark.parametrize("url", ["http://", "http://[", "http://a b/ü", "http://host:port/w"])
def test_an_address_that_is_none_is_an_error_of_ours(url, folder):
    with pytest.raises(ModelError, match="the connection failed"):
        fetch(url, folder)
    assert left(folder) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch("http://127.0.0.1/w", tmp_path / "file" / "below")
