"""What /docs says of the requests and answers, with examples that a test holds true."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "nullable": True}


REGION = _object(
    {"box": {"type": "array", "items": _COUNT, "minItems": 4, "maxItems": 4}, "area": _COUNT, "peak": _NUMBER}
)
MAP = _object({"png": _TEXT, "low": _NUMBER, "high": _NUMBER, "threshold": _nullable(_NUMBER)})
IMAGE = _object(
    {
        "index": _COUNT,
        "name": _TEXT,
        "verdict": {"type": "string", "enum": ["good", "flawed"]},
        "score": _NUMBER,
        "threshold": _NUMBER,
        "p_value": _nullable(_NUMBER),
        "regions": {"type": "array", "items": REGION},
        "width": _COUNT,
        "height": _COUNT,
        "map": _nullable(MAP),
    },
    optional=("map",),
)
NOT_JUDGED = _object({"index": _COUNT, "name": _TEXT, "code": _TEXT, "message": _TEXT})
ANSWER = _object(
    {
        "request_id": _TEXT,
        "model": _TEXT,
        "sha256": _TEXT,
        "images": {"type": "array", "items": IMAGE},
        "not_judged": {"type": "array", "items": NOT_JUDGED},
        "milliseconds": _NUMBER,
    }
)
MODEL = _object(
    {
        "name": _TEXT,
        "product": _TEXT,
        "sha256": _TEXT,
        "loaded": _TEXT,
        "engine": _TEXT,
        "precision": _TEXT,
        "net": _TEXT,
        "scorer": _TEXT,
        "input": {"type": "object"},
        "threshold": _NUMBER,
        "promise": _TEXT,
        "maps": {"type": "boolean"},
        "reload_error": _nullable(_TEXT),
    }
)
ERROR = _object({"error": _object({"code": _TEXT, "message": _TEXT, "request_id": _TEXT})})
SCHEMAS = {"Answer": ANSWER, "Model": MODEL, "Error": ERROR}

ANSWER_EXAMPLE = {
    "request_id": "7f3c9a2e51d84b06",
    "model": "screw",
    "sha256": "76fa4da7dbf3960944018ad59f91c29e104c05b7ffcb3ead7f4adfb0fb7fde88",
    "images": [
        {
            "index": 0,
            "name": "part_0042.png",
            "verdict": "flawed",
            "score": 1.84,
            "threshold": 1.12,
            "p_value": 0.0154,
            "regions": [{"box": [412, 96, 468, 150], "area": 2210, "peak": 9.7}],
            "width": 1024,
            "height": 1024,
        }
    ],
    "not_judged": [],
    "milliseconds": 31.5,
}
ERROR_EXAMPLE = {
    "error": {
        "code": "not_an_image",
        "message": "part.svg: not an image that can be read; give a PNG, JPEG, BMP, TIFF or WebP file",
        "request_id": "7f3c9a2e51d84b06",
    }
}
MEANINGS = {
    400: "not a whole request, or no image in it",
    401: "the token is missing or wrong",
    403: "asked from elsewhere, without a token",
    404: "no such model, or no such page",
    405: "another method is wanted",
    408: "the request came in too slowly",
    413: "too many bytes, images or pixels",
    415: "not an image, or not a body that is taken",
    422: "a damaged or empty image",
    500: "an error of the service; its log says more under this request's id",
    503: "busy; Retry-After says when to come back",
    504: "not answered in time",
}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": schema}})


def responses(schema: dict[str, Any], example: Any, *refused: int) -> dict[int | str, dict[str, Any]]:
    """The 200 of that schema, and the refusals of an operation."""
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "answered", "content": {"application/json": {"schema": schema, "example": example}}}
    }
    for status in refused:
        found[status] = {
            "description": MEANINGS[status],
            "content": {"application/json": {"schema": ref("Error"), "example": ERROR_EXAMPLE}},
        }
    return found


INSPECT: dict[str, Any] = {
    "parameters": [
        {"name": "model", "in": "query", "required": False, "schema": _TEXT, "description": "where several are served"},
        {
            "name": "map",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "enum": ["none", "png"]},
            "description": "png: each map as a grey PNG in base64; black is `low`, white is `high`",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"images": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    "required": ["images"],
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
}
