"""The files that browsers get: our own and the vendored ones, each under a path that its digest names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from myofed_schemas.ids import Sha256
from myofed_schemas.wire import WireModel

FOREVER = "public, max-age=31536000, immutable"
"""A file whose path holds its digest never changes (RFC 8246)."""

_CSS, _JS, _SVG = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"
SHIPPED = {
    "vendor/pico.min.css": _CSS,
    "vendor/uPlot.min.css": _CSS,
    "vendor/htmx.min.js": _JS,
    "vendor/uPlot.iife.min.js": _JS,
    "myofed.css": _CSS,
    "theme.js": _JS,
    "page.js": _JS,
    "mark.svg": _SVG,
    "chevron.svg": _SVG,
    "tick.svg": _SVG,
}
"""Exactly what is served, in the order in which pages name it; no path is ever joined."""


class VendoredFile(WireModel):
    """One file taken out of a package, unchanged."""

    name: str
    path_in_package: str
    sha256: Sha256


class VendoredPackage(WireModel):
    """One release of somebody else's package, as npm has it.

    Attributes:
        name: On npm.
        version: Exact.
        licence: SPDX.
        licence_file: Its text, beside the files.
        npm_integrity: Of the whole package (Subresource Integrity form).
        files: What was taken out of it.
    """

    name: str
    version: str
    licence: Literal["MIT", "0BSD"]
    licence_file: str
    npm_integrity: str = Field(pattern=r"^sha512-[A-Za-z0-9+/]{86}==$")
    files: tuple[VendoredFile, ...] = Field(min_length=1)


class Vendored(WireModel):
    """`static/vendor/manifest.json`: where every file that we did not write comes from."""

    schema_version: Literal["myofed-vendored-1"] = "myofed-vendored-1"
    packages: tuple[VendoredPackage, ...]


@dataclass(frozen=True)
class Asset:
    """One file and the path under which it is served."""

    name: str
    media_type: str
    content: bytes

    @property
    def path(self) -> str:
        """Changes with the content."""
        return f"/static/{hashlib.sha256(self.content).hexdigest()[:16]}/{self.name.rpartition('/')[2]}"


def vendored() -> Vendored:
    """What the manifest says."""
    return Vendored.model_validate_json((files(__package__) / "static/vendor/manifest.json").read_bytes())


@cache
def assets() -> Mapping[str, Asset]:
    """Every shipped file by its name; a style sheet's `url(NAME)` names another shipped file and becomes its path."""
    folder = files(__package__) / "static"
    plain = {n: Asset(n, kind, (folder / n).read_bytes()) for n, kind in SHIPPED.items()}
    pictures = {n: asset.path for n, asset in plain.items() if asset.media_type == _SVG}
    return {n: _with_paths(asset, pictures) if n == "myofed.css" else asset for n, asset in plain.items()}


def static_router() -> APIRouter:
    """Serves the shipped files to everybody: they tell nothing about the consortium."""
    router = APIRouter()
    for asset in assets().values():
        router.add_api_route(asset.path, _serving(asset), methods=["GET"], include_in_schema=False)
    return router


def _with_paths(sheet: Asset, pictures: Mapping[str, str]) -> Asset:
    text = sheet.content.decode()
    for name, path in pictures.items():
        text = text.replace(f"url({name})", f"url({path})")
    return Asset(sheet.name, sheet.media_type, text.encode())


def _serving(asset: Asset) -> Callable[[], Response]:
    def serve() -> Response:
        return Response(asset.content, media_type=asset.media_type, headers={"cache-control": FOREVER})

    return serve
