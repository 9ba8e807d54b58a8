"""The service's pages: inspect, models, health, metrics, docs."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import anyio
import numpy as np
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from PIL import Image
from starlette.exceptions import HTTPException

from tacha.inspection import Inspection
from tacha.server import intake, spec
from tacha.server.intake import Upload
from tacha.server.keeping import Keeper
from tacha.server.limits import Limits
from tacha.server.log import event
from tacha.server.measures import Measures
from tacha.server.refusals import RefusedError, crowded
from tacha.server.shelf import Model, Shelf
from tacha.versions import versions

DECODERS = 2  # threads that read images while the engine judges others
_PLAIN = {
    404: ("not_found", "there is no such page; /docs lists them"),
    405: ("wrong_method", "another method is wanted"),
}


class Service:
    """What the pages share. `waiting`: images taken and not yet answered; only the event loop's thread counts them."""

    def __init__(self, shelf: Shelf, limits: Limits, measures: Measures, keeper: Keeper | None = None) -> None:
        self.shelf, self.limits, self.measures, self.keeper = shelf, limits, measures, keeper
        self.pool = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self.waiting = 0
        self.stopping = False
        self.pace = 0.05  # seconds an image, of late
        self._slots: dict[bool, asyncio.Semaphore] = {}
        measures.waiting.set_function(lambda: self.waiting)
        measures.of(shelf)

    async def inspect(self, request: Request) -> dict[str, Any]:
        """The answer to one request. Raises RefusedError."""
        began = time.perf_counter()
        wanted = request.query_params.get("map", "none")
        if wanted not in ("none", "png"):
            raise RefusedError(400, "bad_map", "map is none or png")
        with self.shelf.lease(request.query_params.get("model")) as model:
            self._room_for(1)
            self.waiting += 1
            try:
                uploads = await intake.uploads(request, self.limits)
            finally:
                self.waiting -= 1
            self._room_for(len(uploads))
            self.waiting += len(uploads)
            try:
                with anyio.fail_after(self.limits.answer):
                    outcomes = await asyncio.gather(*(self._one(model, u, wanted == "png") for u in uploads))
            except TimeoutError:
                raise RefusedError(
                    504,
                    "too_late",
                    f"not answered within {self.limits.answer:g} s; send fewer images, or come back later",
                ) from None
            finally:
                self.waiting -= len(uploads)
            return self._answer(request, model, uploads, outcomes, began)

    def _room_for(self, images: int) -> None:
        if self.waiting + images > self.limits.waiting:
            raise crowded(max(1, math.ceil(self.waiting * self.pace)))

    async def _one(self, model: Model, upload: Upload, with_map: bool) -> tuple[Inspection, str | None] | RefusedError:
        """An image's verdict and its map as base64, or why there is none."""
        loop = asyncio.get_running_loop()
        # Whole images are small once they are prepared; tiled ones stay as large as they came.
        tiled = model.inspector.view.tiling is not None
        slots = self._slots.setdefault(tiled, asyncio.Semaphore(DECODERS if tiled else 2 * self.limits.together))
        try:
            async with slots:
                seen = await loop.run_in_executor(self.pool, intake.seen, upload, model.inspector.view, self.limits)
                judged = await asyncio.wrap_future(model.worker.submit(seen))
        except RefusedError as refusal:
            return refusal
        self.pace += 0.1 * (judged.took - self.pace)
        found = judged.found
        self.measures.judging.labels(model.name).observe(judged.waited + judged.took)
        self.measures.verdicts.labels(model.name, found.verdict).inc()
        if found.p_value is not None:
            self.measures.p_values.labels(model.name).observe(found.p_value)
        drawn = (
            await loop.run_in_executor(self.pool, _png, found, model) if with_map and found.map is not None else None
        )
        return found, drawn

    def _answer(
        self,
        request: Request,
        model: Model,
        uploads: list[Upload],
        outcomes: list[tuple[Inspection, str | None] | RefusedError],
        began: float,
    ) -> dict[str, Any]:
        request_id = request.scope["request_id"]
        refused = [o for o in outcomes if isinstance(o, RefusedError)]
        # Those of a request that is refused whole are counted with the request, by the front.
        if len(refused) == len(outcomes):
            raise refused[0]
        for refusal in refused:
            self.measures.refused.labels(refusal.code).inc()
        images: list[dict[str, Any]] = []
        lost: list[dict[str, Any]] = []
        for index, (upload, outcome) in enumerate(zip(uploads, outcomes, strict=True)):
            head = {"index": index, "name": upload.name}
            if isinstance(outcome, RefusedError):
                lost.append({**head, "code": outcome.code, "message": outcome.message})
                continue
            found, drawn = outcome
            said = {k: v for k, v in found.to_dict().items() if k != "path"}
            images.append({**head, **said, **({} if drawn is None else {"map": _map(found, model, drawn)})})
            if self.keeper is not None:
                self.pool.submit(_kept, self.keeper, upload.data, found.verdict, request_id, index)
        milliseconds = round(1e3 * (time.perf_counter() - began), 2)
        request.scope["told"] = {
            "model": model.name,
            "images": [{k: i[k] for k in ("name", "verdict", "score", "p_value")} for i in images],
            "not_judged": [{k: n[k] for k in ("name", "code")} for n in lost],
        }
        return {
            "request_id": request_id,
            "model": model.name,
            "sha256": model.sha256,
            "images": images,
            "not_judged": lost,
            "milliseconds": milliseconds,
        }


def build(service: Service) -> FastAPI:
    """The application; its front (request ids, the token, logs) is apart, in front.py."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.stopping = True
        await asyncio.get_running_loop().run_in_executor(None, service.shelf.close)
        service.pool.shutdown()

    app = FastAPI(
        title="tacha",
        version=versions()["tacha"],
        summary="Is this part good? One verdict an image, with a p-value and the places that stand out.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    # The bundled page reads 3.0; what is used here is the same in both.
    app.openapi_version = "3.0.3"

    async def inspect(request: Request) -> Response:
        """Judge one image or several: multipart/form-data with files, or one image as the body."""
        try:
            return JSONResponse(await service.inspect(request))
        except RefusedError:
            await intake.drained(request, service.limits)
            raise

    async def models() -> Response:
        """What is being served: engine, threshold, promised false-alarm rate, the file's SHA-256."""
        return JSONResponse({"models": service.shelf.about()})

    async def alive() -> Response:
        """The process answers."""
        return JSONResponse({"alive": True})

    async def ready() -> Response:
        """Models are loaded and requests are taken."""
        if service.stopping:
            raise RefusedError(503, "stopping", "the service is stopping; ask another, or come back later", 5)
        return JSONResponse({"ready": True, "models": service.shelf.names})

    async def metrics() -> Response:
        return Response(service.measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    listed = spec.listed("models", spec.ref("Model"))
    one: dict[str, Any] = {"type": "object"}
    app.add_api_route(
        "/v1/inspect",
        inspect,
        methods=["POST"],
        response_class=JSONResponse,
        responses=spec.responses(
            spec.ref("Answer"), spec.ANSWER_EXAMPLE, 400, 401, 403, 404, 408, 413, 415, 422, 500, 503, 504
        ),
        openapi_extra=spec.INSPECT,
    )
    app.add_api_route("/v1/models", models, responses=spec.responses(listed, None, 401, 403))
    app.add_api_route("/healthz", alive, responses=spec.responses(one, {"alive": True}))
    app.add_api_route("/readyz", ready, responses=spec.responses(one, {"ready": True, "models": ["screw"]}, 503))
    app.add_api_route("/metrics", metrics, include_in_schema=False)
    _docs(app)
    _refusals(app)
    return app


def _docs(app: FastAPI) -> None:
    """The page at /docs, from files that are installed: nothing is fetched from elsewhere."""
    from swagger_ui_bundle import swagger_ui_path

    app.mount("/docs/static", StaticFiles(directory=swagger_ui_path))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        static = "docs/static/"
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="tacha",
            swagger_js_url=static + "swagger-ui-bundle.js",
            swagger_css_url=static + "swagger-ui.css",
            swagger_favicon_url=static + "favicon-32x32.png",
        )

    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plain()
            parts = found.setdefault("components", {})
            parts.setdefault("schemas", {}).update(spec.SCHEMAS)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{}, {"token": []}]
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _refusals(app: FastAPI) -> None:
    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        request.scope["told"] = {"code": error.code}
        return refusal(error.status, error.code, error.message, request.scope["request_id"], headers)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        code, message = _PLAIN.get(error.status_code, ("refused", "the request cannot be taken as it is"))
        headers = dict(error.headers or {})
        return refusal(error.status_code, code, message, request.scope["request_id"], headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        """Whatever it was stays in the log, with its trace."""
        message = "an error of the service; its log says more under this request's id"
        return refusal(500, "internal", message, request.scope["request_id"])


def refusal(status: int, code: str, message: str, request_id: str, headers: dict[str, str] | None = None) -> Response:
    body = {"error": {"code": code, "message": message, "request_id": request_id}}
    return JSONResponse(body, status_code=status, headers=headers)


def _scale(model: Model) -> tuple[float, float]:
    low, high = model.inspector.card["map_scale"]
    return float(low), float(high)


def _png(found: Inspection, model: Model) -> str:
    assert found.map is not None
    low, high = _scale(model)
    unit = np.clip((found.map - low) / max(high - low, 1e-12), 0.0, 1.0)
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * unit).astype(np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _map(found: Inspection, model: Model, drawn: str) -> dict[str, Any]:
    low, high = _scale(model)
    return {"png": drawn, "low": low, "high": high, "threshold": found.map_threshold}


def _kept(keeper: Keeper, data: bytes, verdict: str, request_id: str, index: int) -> None:
    try:
        keeper.keep(data, verdict, request_id, index)
    except Exception as error:  # a full disk must not cost a verdict
        event("not kept", logging.ERROR, request_id=request_id, reason=str(error))
