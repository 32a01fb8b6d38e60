"""The OpenAPI document of the service, with the limits it runs with."""

from typing import Any

from losslayer_serve.limits import Limits
from losslayer_serve.question import VISIBLE

HIT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "answer": {"type": "string"},
        "score": {"type": "number"},
        "accepted": {
            "type": "boolean",
            "description": "The score reached the threshold that was chosen with the model.",
        },
    },
    "required": ["id", "title", "answer", "score", "accepted"],
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "properties": {
        "question": {"type": "string"},
        "answered": {
            "type": "boolean",
            "description": "Whether a hit was accepted; if not, there is no answer.",
        },
        "hits": {"type": "array", "items": {"$ref": "#/components/schemas/Hit"}},
    },
    "required": ["question", "answered", "hits"],
    "additionalProperties": False,
}
RESULTS = {
    "type": "object",
    "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
    },
    "required": ["results"],
    "additionalProperties": False,
}
HEALTH = {
    "type": "object",
    "properties": {
        "status": {"const": "ok"},
        "entries": {"type": "integer", "minimum": 0},
        "fingerprint": {"type": "string"},
    },
    "required": ["status", "entries", "fingerprint"],
    "additionalProperties": False,
}
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}


def document(limits: Limits, version: str, token: bool) -> dict[str, Any]:
    """The document, OpenAPI 3.1, as a JSON object.

    Args:
        limits: Of the service.
        version: Of this package.
        token: Whether the service wants one.
    """
    refused: dict[str, Any] = {"401": _error("The token is missing or wrong.")} if token else {}
    secured: dict[str, Any] = {"security": [{"token": []}]} if token else {}
    ask = {
        "operationId": "ask",
        "summary": "The entries that answer a question, best first.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _questions(limits)}},
        },
        "responses": {
            "200": _answer("A result for each question, in their order.", "Results"),
            "400": _error("The body can't be read, or is above a limit."),
            "408": _error("The request took too long to arrive."),
            "413": _error("The body is too large."),
            "415": _error("The body isn't application/json."),
            "429": _error("Too many questions wait; ask again after `Retry-After` seconds."),
            "503": _error("The answer took too long."),
            **refused,
        },
        **secured,
    }
    healthz = {
        "operationId": "health",
        "summary": "Whether the service runs, and with what.",
        "responses": {"200": _answer("It runs.", "Health")},
    }
    metrics = {
        "operationId": "metrics",
        "summary": "Figures for Prometheus.",
        "responses": {
            "200": {
                "description": "Its text format.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            **refused,
        },
        **secured,
    }
    schemas = {
        "Hit": HIT,
        "Result": RESULT,
        "Results": RESULTS,
        "Health": HEALTH,
        "Error": ERROR,
    }
    schemes = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if token else {}
    return {
        "openapi": "3.1.0",
        "info": {"title": "losslayer faq", "version": version},
        "paths": {
            "/ask": {"post": ask},
            "/healthz": {"get": healthz},
            "/metrics": {"get": metrics},
        },
        "components": {"schemas": schemas, **schemes},
    }


def _questions(limits: Limits) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": limits.length, "pattern": VISIBLE}
    top = {"type": "integer", "minimum": 1, "maximum": limits.top, "default": min(3, limits.top)}
    texts = {"type": "array", "items": text, "minItems": 1, "maxItems": limits.questions}
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {name: schema, "top": top},
                "required": [name],
                "additionalProperties": False,
            }
            for name, schema in (("question", text), ("questions", texts))
        ]
    }


def _answer(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _error(description: str) -> dict[str, Any]:
    return _answer(description, "Error")
