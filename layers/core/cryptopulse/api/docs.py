"""The page that shows the OpenAPI document: Swagger UI, as it comes with Powertools, without its inlined document."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from cryptopulse.api.app import Api, File, public
from cryptopulse.errors import NotFoundError

ASSETS: Final = {"swagger-ui-bundle.min.js": "text/javascript", "swagger-ui.min.css": "text/css"}

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
        return File("application/json", document.read_text())

    @api.get("/docs", tags=["System"])
    @public
    def read_docs() -> File:
        """A page to read and try this API."""
        return File("text/html; charset=utf-8", PAGE)

    @api.get("/docs/<name>", include_in_schema=False)
    @public
    def read_asset(name: str) -> File:
        if name not in ASSETS:
            raise NotFoundError("There is nothing at this path.")
        path = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui" / name
        return File(f"{ASSETS[name]}; charset=utf-8", path.read_text())
