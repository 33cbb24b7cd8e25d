"""A page made of what npm brings, at an address of this computer's."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def build(source: Path, folder: Path, *options: str) -> Path:
    """Copy a folder, let npm fetch what its lock file names, and bundle `main.js` with it.

    Args:
        source: has `index.html`, `main.js`, `package.json` and `package-lock.json`.
        folder: where it is copied; must not be there yet.
        options: of esbuild's, for this bundle.

    Returns:
        The folder with the page.

    Raises:
        CalledProcessError: npm could not get it, or got something else.
    """
    shutil.copytree(source, folder)
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)
    subprocess.run(
        [
            "node_modules/.bin/esbuild", "main.js", "--bundle", "--format=esm",
            "--outfile=site/client.js", "--log-level=error", *options,
        ],
        cwd=folder, check=True,
    )  # fmt: skip
    shutil.copy(folder / "index.html", folder / "site")
    return folder / "site"


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """The address at which this folder is served meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass
