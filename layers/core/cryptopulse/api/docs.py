"""The page that shows the OpenAPI document: Swagger UI, as it comes with Powertools, without its inlined document."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from cryptopulse.api.app import JSON, Api, File, public
from cryptopulse.domain.renderings import Rendering
from cryptopulse.errors import NotFoundError

ASSETS: Final = {"swagger-ui-bundle.min.js": "text/javascript", "swagger-ui.min.css": "text/css"}
_FOREVER: Final = 2**63 - 1

PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>CryptoPulse API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.min.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.min.js"></script>
<script>SwaggerUIBundle({dom_id: "#page", url: "openapi.json", deepLinking: true, tryItOutEnabled: true})</script>
</body>
</html>
"""
"""All addresses are relative: the API's base URL may have a path of its own."""


def add(api: Api, document: Path) -> None:
    """Adds the routes of the OpenAPI document (a file) and of its page."""

    @api.get("/openapi.json", tags=["System"])
    @public
    def read_openapi() -> File:
        """This document."""
        return File(_read(JSON, document))

    @api.get("/docs", tags=["System"])
    @public
    def read_docs() -> File:
        """A page to read and try this API."""
        return File(_rendering("text/html; charset=utf-8", PAGE.encode()))

    @api.get("/docs/<name>", include_in_schema=False)
    @public
    def read_asset(name: str) -> File:
        if name not in ASSETS:
            raise NotFoundError("There is nothing at this path.")
        path = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui" / name
        return File(_read(f"{ASSETS[name]}; charset=utf-8", Path(str(path))))


@cache
def _read(media_type: str, path: Path) -> Rendering:
    """A file, read and packed once."""
    return _rendering(media_type, path.read_bytes())


def _rendering(media_type: str, body: bytes) -> Rendering:
    return Rendering.of(media_type, body, fresh_until=_FOREVER, stays_until=_FOREVER)
