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
<script src="docs/start.js"></script>
</body>
</html>
"""
"""All addresses are relative: the API's base URL may have a path of its own."""
START: Final = """SwaggerUIBundle({dom_id: "#page", url: "openapi.json", deepLinking: true, tryItOutEnabled: true})
"""
"""A file of its own: no script within the page is run."""
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


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
        page = File(_rendering("text/html; charset=utf-8", PAGE.encode()))
        page.headers |= {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"}
        return page

    @api.get("/docs/start.js", include_in_schema=False)
    @public
    def read_start() -> File:
        return File(_rendering("text/javascript; charset=utf-8", START.encode()))

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
