"""Download of a file of known size and hash: complete and verified, or not at all.

Only http and https, without proxies, cookies or passwords: the hash vouches for the bytes.
"""

from __future__ import annotations

import hashlib
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast
from urllib.error import HTTPError, URLError

from superres.atomic import atomic_write, os_errors_as
from superres.errors import ArgumentError, ModelError, SuperresError
from superres.version import __version__
from superres.watch import Watch

_TIMEOUT_S = 30  # of silence
_CHUNK_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download.

    Attributes:
        url: Its address.
        target: Its path on this machine; its folder is created if it is missing.
        size_bytes: Its size.
        sha256: Its hash, in hexadecimal.
    """

    url: str
    target: Path
    size_bytes: int
    sha256: str


def download(wanted: Wanted, watch: Watch) -> None:
    """Download a file to its target, which never holds a file of another size or hash.

    Args:
        wanted: The file.
        watch: Receives the progress in bytes, and is checked for cancellation.

    Raises:
        ArgumentError: The address is not http or https.
        ModelError: The server cannot be reached, has no such file, or sent a different one.
        OutputError: The target cannot be written.
    """
    if not wanted.url.lower().startswith(("http://", "https://")):
        raise ArgumentError(
            f"{wanted.url} cannot be downloaded: only http and https are supported",
            "SUPERRES_HUB is the address of a folder on a web server",
        )
    with os_errors_as(wanted.target):
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(wanted.target) as temporary, temporary.open("wb") as file:
        try:
            with _open(wanted.url) as response:
                digest = _copy(response, file, wanted, watch)
        except HTTPError as error:
            error.close()  # it is also an open response
            raise by_hand(wanted, f"the server answered {error.code} {error.reason}") from error
        except SuperresError:
            raise
        except (OSError, HTTPException, ValueError) as error:  # ValueError: no such address
            reason = error.reason if isinstance(error, URLError) else error
            raise by_hand(wanted, f"the connection failed: {reason}") from error
        if digest != wanted.sha256:
            raise by_hand(wanted, f"the downloaded file has the hash {digest[:12]}...")


def by_hand(wanted: Wanted, reason: str) -> ModelError:
    """Build the error for a file that could not be downloaded: which one, and where to put it."""
    return ModelError(
        f"{wanted.target.name} ({wanted.size_bytes:,} bytes, SHA-256 {wanted.sha256}) "
        f"could not be downloaded from {wanted.url}: {reason}",
        f"try again, or download it elsewhere and put it at {wanted.target}",
    )


def _open(url: str) -> HTTPResponse:
    """Send the request, using only urllib's http, https and redirects between them."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    request = urllib.request.Request(url, headers={"User-Agent": f"superres/{__version__}"})
    # urllib declares a union; with these handlers it is always this one.
    return cast("HTTPResponse", opener.open(request, timeout=_TIMEOUT_S))


def _copy(response: HTTPResponse, file: BinaryIO, wanted: Wanted, watch: Watch) -> str:
    """Write a response's body to a file and return its hash.

    Raises:
        ModelError: The body is longer or shorter than announced.
        OutputError: The file cannot be written.
    """
    digest = hashlib.sha256()
    arrived = 0
    while data := response.read(min(_CHUNK_BYTES, wanted.size_bytes - arrived + 1)):
        arrived += len(data)
        if arrived > wanted.size_bytes:
            raise by_hand(wanted, "the response is longer than announced")
        digest.update(data)
        with os_errors_as(wanted.target):
            file.write(data)
        watch.progress(arrived, wanted.size_bytes)
        watch.check()
    if arrived < wanted.size_bytes:
        raise by_hand(wanted, f"the response ended after {arrived:,} bytes")
    with os_errors_as(wanted.target):
        file.flush()
    return digest.hexdigest()
