"""Serves the site's page beside the service's beat, on a loopback port."""

from __future__ import annotations

import socket
import threading

import uvicorn

from myofed_node.keys import read_secret
from myofed_node.site_setup import Site
from myofed_node.web.app import PageApp
from myofed_node.web.page import render_site
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def serve_page(site: Site) -> str:
    """The page is served by a thread of this process; returns its address.

    Raises:
        MyofedError: WEB_PORT_TAKEN where `web_port` of the settings is in use, or a code of the token's file.
    """
    listener = _listen(site.config.web_port)
    port = listener.getsockname()[1]
    app = PageApp(token=read_secret(site.folder.web_token).decode("ascii"), port=port, render=lambda: render_site(site))
    settings = uvicorn.Config(
        app, lifespan="off", ws="none", log_level="warning", access_log=False, server_header=False
    )
    server = uvicorn.Server(settings)
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="page").start()
    return f"http://127.0.0.1:{port}/"


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise MyofedError(
            "WEB_PORT_TAKEN",
            f"expected port {port} on 127.0.0.1 to be free, found it taken",
            hint="set web_port in config.yaml to another, or to 0 for a free one",
            exit_code=ExitCode.SITE_FOLDER,
        ) from None
    listener.listen()
    return listener
