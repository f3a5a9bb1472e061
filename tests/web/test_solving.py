"""Dependencies that are solved by a plan are solved as FastAPI does, and the plan is left where it cannot tell."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Annotated, Any, Final

import httpx
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    Security,
)
from fastapi.exceptions import RequestValidationError, ValidationException
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, RedirectResponse, StreamingResponse

from bridge.web.authentication import Entrance
from bridge.web.routes import Handler, WrappingRoute
from bridge.web.routing.asking import effective_routes
from bridge.web.routing.shortcuts import Shortcuts
from bridge.web.routing.solving import solved_by_plan

SEEN: list[Any] = []
"""What was called, in order."""


class Shown(BaseModel):
    name: str
    left_out: str | None = None


# Dependencies ---------------------------------------------------------------------------------------------------------


async def find(request: Request, scopes: Sequence[str]) -> str:
    SEEN.append(("entrance", list(scopes)))
    if "authorization" not in request.headers:
        raise HTTPException(401, "nobody")
    request.state.found = "ada"
    return "ada"


async def find_nobody(request: Request, scopes: Sequence[str]) -> None:
    SEEN.append(("nobody", list(scopes), request.url.path))


entrance: Final = Entrance(find)
Somebody = Annotated[str, Depends(entrance)]
Reader = Annotated[str, Security(entrance, scopes=["read"])]


async def staff(user: Somebody) -> str:
    SEEN.append("staff")
    return f"{user} of the staff"


async def careful(request: Request, user: Reader, member: Annotated[str, Depends(staff)]) -> list[str]:
    SEEN.append(("careful", vars(request.state)))
    return [user, member]


async def database() -> dict[str, int]:
    SEEN.append("database")
    return {}


class Requirement:
    async def __call__(self, user: Somebody) -> None:
        SEEN.append(("required of", user))


def in_a_thread() -> str:
    SEEN.append("thread")
    return "thread"


async def opened() -> AsyncIterator[str]:
    SEEN.append("open")
    yield "opened"
    SEEN.append("closed")


async def of_header(x_name: Annotated[str, Header()] = "no name") -> str:
    return x_name


async def of_response(response: Response) -> None:
    response.headers["x-set"] = "by a dependency"


async def of_scopes(scopes: SecurityScopes) -> str:
    return scopes.scope_str


class Made:
    def __init__(self, request: Request) -> None:
        self.path = request.url.path


# Endpoints ------------------------------------------------------------------------------------------------------------

planned, usual = APIRouter(prefix="/planned"), APIRouter(prefix="/usual")
nested = APIRouter(dependencies=[Security(entrance, scopes=["write"])])
rule: Final = Requirement()


@planned.get("/one")
async def one(user: Somebody) -> Shown:
    SEEN.append("endpoint")
    return Shown(name=user)


@planned.get("/several", dependencies=[Depends(rule), Security(staff, scopes=["read", "more", "read"])])
async def several(
    again: Annotated[list[str], Depends(careful)],
    data: Annotated[dict[str, int], Depends(database)],
    same: Annotated[dict[str, int], Depends(database)],
) -> Any:
    return {"again": again, "is_same": data is same}


@planned.get("/parameters/{number}", response_model_exclude_none=True, status_code=202)
async def parameters(  # noqa: PLR0917  # FastAPI gives them by name
    number: int, user: Somebody, request: Request, response: Response, tasks: BackgroundTasks, limit: int = 7
) -> Shown:
    response.headers["x-set"] = "by the endpoint"
    tasks.add_task(SEEN.append, "afterwards")
    return Shown(name=f"{user} {number} {limit} {vars(request.state)}")


@planned.get("/wrong")
async def wrong(user: Somebody) -> Shown:
    return {"nothing": user}  # type: ignore[return-value]  # that is what is tried


@planned.get("/raises")
async def raises(user: Somebody) -> None:
    raise HTTPException(409, user, headers={"x-set": "by an exception"})


@planned.get("/own-answer")
async def own_answer(user: Somebody, connection: HTTPConnection) -> Any:
    return PlainTextResponse(f"{user} at {connection.url.path}")


@planned.get("/stream", response_class=StreamingResponse)
async def stream(user: Somebody) -> Any:
    return StreamingResponse(iter([user, user]))


@planned.delete("/nothing", status_code=204)
async def nothing(user: Annotated[None, Depends(Entrance(find_nobody))]) -> None:
    SEEN.append(user)


@nested.get("/nested")
async def deep(user: Reader, response: Response) -> str:
    response.status_code = 203
    return user


simple = APIRouter()


@simple.get("/every/{number}", status_code=203, response_model_exclude_none=True)
async def every_kind(  # noqa: PLR0917  # FastAPI gives them by name
    number: int,
    user: Somebody,
    request: Request,
    limit: Annotated[list[int], Query()],
    accept: Annotated[str | None, Header(alias="authorization")] = None,
    x_cookie: Annotated[str, Cookie()] = "no cookie",
) -> list[Shown]:
    SEEN.append("endpoint")
    return [Shown(name=f"{user} {number} {limit} {accept} {x_cookie} {vars(request.state)} {request.query_params}")]


@simple.get("/refuses")
async def refuses(user: Somebody) -> Shown:
    raise HTTPException(409, user, headers={"x-set": "by an exception"})


@simple.get("/untyped", status_code=201)
async def untyped(user: Somebody):  # as many write it
    return {"user": user, "shown": Shown(name="ä"), "numbers": {1}}


@simple.get("/instead")
async def instead(user: Somebody) -> Shown:
    return RedirectResponse(f"/{user}")  # type: ignore[return-value]  # FastAPI lets it


class NoFunction:
    async def __call__(self, user: Somebody) -> Shown:
        return {"nothing": user}  # type: ignore[return-value]  # that is what is tried


simple.add_api_route("/object", NoFunction(), name="object")


@simple.get("/says")
async def says(user: Somebody, response: Response, status: int = 203) -> Shown:
    response.status_code = status
    response.headers["x-set"] = "by the endpoint"
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return Shown(name=user)


@simple.get("/says-nothing")
async def says_nothing(user: Somebody, response: Response) -> Shown:
    return Shown(name=user)


@simple.get("/says-in-vain")
async def says_in_vain(user: Somebody, response: Response) -> Shown:
    response.headers["x-set"] = "by the endpoint"
    return RedirectResponse(f"/{user}")  # type: ignore[return-value]  # FastAPI lets it


class Excusing(WrappingRoute):
    @classmethod
    def around(cls, handle: Handler) -> Handler:
        async def excusing(request: Request) -> Response:
            try:
                answer = await handle(request)
            except HTTPException as exc:
                return PlainTextResponse(f"excused: {exc.detail}", 418)
            answer.headers["x-wrapped"] = "yes"
            return answer

        return excusing


wrapped = APIRouter(route_class=Excusing)


@wrapped.post("/by-hand")
async def by_hand(user: Somebody, request: Request, response: Response) -> Shown:
    response.headers["x-set"] = "by the endpoint"
    return Shown(name=f"{user} {await request.json()}")


@wrapped.post("/in-vain")
async def in_vain(user: Somebody, request: Request) -> Shown:
    raise LookupError(await request.json())


@wrapped.get("/reads-nothing")
async def reads_nothing(user: Somebody, tasks: BackgroundTasks) -> Shown:
    tasks.add_task(SEEN.append, "afterwards")
    return Shown(name=user)


simple.include_router(wrapped, prefix="/wrapped")
planned.include_router(simple, prefix="/simple")


@planned.get("/asks-for-scopes")
async def asks_for_scopes(user: Somebody, scopes: SecurityScopes) -> Shown:
    return Shown(name=f"{user} {scopes.scopes}")


planned.include_router(nested, prefix="/write")
planned.include_router(nested, prefix="/both", dependencies=[Security(entrance, scopes=["read"])])


@usual.get("/sync")
def sync_endpoint(user: Somebody) -> str:
    return user


@usual.get("/yields")
async def yields(user: Somebody, each: Annotated[str, Depends(opened)]) -> str:
    SEEN.append("endpoint")
    return user + each


@usual.get("/thread")
async def thread(each: Annotated[str, Depends(in_a_thread)]) -> str:
    return each


@usual.get("/header")
async def header(user: Somebody, each: Annotated[str, Depends(of_header)]) -> str:
    return user + each


@usual.get("/response", dependencies=[Depends(of_response)])
async def response_of_dependency(user: Somebody) -> str:
    return user


@usual.get("/scopes")
async def scopes(each: Annotated[str, Security(of_scopes, scopes=["read"])]) -> str:
    return each


@usual.get("/class")
async def made(each: Annotated[Made, Depends(Made)]) -> str:
    return each.path


@usual.get("/uncached")
async def uncached(user: Somebody, again: Annotated[str, Depends(entrance, use_cache=False)]) -> str:
    return user + again


@usual.get("/none")
async def without() -> str:
    return "nobody asked"


@usual.post("/body")
async def with_body(user: Somebody, body: dict[str, int]) -> Any:
    return {user: body}


class Quoting(WrappingRoute):
    @classmethod
    def around(cls, handle: Handler) -> Handler:
        return handle

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def quoting(request: Request) -> Response:
            await handle(request)
            return PlainTextResponse("quoted")

        return quoting


quoted = APIRouter(route_class=Quoting)


@quoted.get("/quoted")
async def quote(user: Somebody) -> str:
    return user


usual.include_router(quoted)


class Audited(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def audited(request: Request) -> Response:
            SEEN.append("audited")
            return await handle(request)

        return audited


class ExcusingAndAudited(Excusing, Audited):
    pass


audited = APIRouter(route_class=ExcusingAndAudited)


@audited.get("/audited")
async def audit(user: Somebody) -> str:
    return user


usual.include_router(audited)


# Both ways ------------------------------------------------------------------------------------------------------------


async def tell(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    return PlainTextResponse(f"{exc} {exc.errors()} {exc.body}", 422)


async def look_up(request: Request, exc: Exception) -> Response:
    return PlainTextResponse(f"{exc}, asked for by {await request.body()!r}", 404)


def make_app() -> FastAPI:
    app = FastAPI()
    app.add_exception_handler(LookupError, look_up)
    app.add_exception_handler(RequestValidationError, tell)
    app.include_router(planned)
    app.include_router(usual)
    app.get("/direct")(one)
    return app


@pytest.fixture(scope="module")
def apps() -> tuple[FastAPI, FastAPI]:
    """The same app with shortcuts and without."""
    short, plain = make_app(), make_app()
    short.router.middleware_stack = Shortcuts(short)
    return short, plain


async def answered(app: FastAPI, method: str, path: str, headers: dict[str, str]) -> Any:
    SEEN.clear()
    transport = httpx.ASGITransport(app, root_path="/mounted")
    async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client, asyncio.timeout(20):
        try:
            answer = await client.request(method, path, headers=headers, json={"a": 1} if method == "POST" else None)
        except ValidationException as exc:
            return str(exc), exc.errors(), list(SEEN)
    return answer.status_code, answer.headers.multi_items(), answer.content, list(SEEN)


PATHS: Final = (
    *("/direct", "/planned/one", "/planned/several", "/planned/parameters/3", "/planned/parameters/3?limit=x"),
    *("/planned/parameters/x", "/planned/wrong", "/planned/raises", "/planned/own-answer", "/planned/stream"),
    *("/planned/simple/every/3?limit=1&limit=2", "/planned/simple/every/x?limit=y", "/planned/simple/refuses"),
    *("/planned/simple/instead", "/planned/simple/object", "/planned/simple/untyped", "/planned/asks-for-scopes"),
    *("/planned/simple/says", "/planned/simple/says?status=204", "/planned/simple/says?status=304"),
    *("/planned/simple/says-nothing", "/planned/simple/says-in-vain"),
    *("/planned/simple/wrapped/by-hand", "/planned/simple/wrapped/reads-nothing", "/planned/simple/wrapped/in-vain"),
    *("/planned/nothing", "/planned/write/nested", "/planned/both/nested"),
    *("/usual/sync", "/usual/yields", "/usual/thread", "/usual/header", "/usual/response", "/usual/scopes"),
    *("/usual/class", "/usual/uncached", "/usual/none", "/usual/body", "/usual/quoted", "/usual/audited"),
)
METHODS: Final = {
    **dict.fromkeys(("/usual/body", "/planned/simple/wrapped/by-hand", "/planned/simple/wrapped/in-vain"), "POST"),
    "/planned/nothing": "DELETE",
}


@pytest.mark.parametrize("path", PATHS)
async def test_whatever_an_endpoint_depends_on_it_is_answered_as_ever(apps: tuple[FastAPI, FastAPI], path: str):
    for headers in ({"authorization": "Bearer x"}, {}):
        for overridden in (None, entrance, None, staff, database):  # a customer's tests say so whenever they like
            answers = []
            for app in apps:
                app.dependency_overrides = {overridden: lambda: "grace"} if overridden else {}
                answers.append(await answered(app, METHODS.get(path, "GET"), path, headers))
            assert answers[0] == answers[1]


def test_only_what_is_known_has_a_plan():
    is_planned = {route.path: solved_by_plan(route) is not None for route in effective_routes(make_app())}

    assert {path.split("/")[1] for path, has_plan in is_planned.items() if has_plan} == {"planned", "direct"}
    assert {path.split("/")[1] for path, has_plan in is_planned.items() if not has_plan} == {"usual"}


def test_what_takes_only_parameters_and_gives_json_is_called_without_fastapis_handler():
    answering = {route.path: solved_by_plan(route) for route in effective_routes(make_app())}

    direct = {
        path for path, answer in answering.items() if getattr(answer, "__module__", "") == "bridge.web.routing.direct"
    }
    assert direct == {
        *("/direct", "/planned/one", "/planned/wrong", "/planned/simple/every/{number}", "/planned/simple/refuses"),
        *("/planned/simple/instead", "/planned/simple/object", "/planned/simple/untyped", "/planned/several"),
        *("/planned/raises", "/planned/write/nested", "/planned/both/nested", "/planned/simple/wrapped/by-hand"),
        *("/planned/simple/says", "/planned/simple/says-nothing", "/planned/simple/says-in-vain"),
        "/planned/simple/wrapped/in-vain",
    }
