"""The tools that go on as tasks: the extension `io.modelcontextprotocol/tasks` of 2026-07-28, as far as the suite looks at it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    RequestParams,
)
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

import questions

EXTENSION = "io.modelcontextprotocol/tasks"


def register(server: MCPServer) -> None:
    """Adds the tools, as they are for clients that know no tasks."""
    for tool in (greet, slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task):
        server.add_tool(tool, structured_output=False)


# --- tools ---


def greet(name: str) -> str:
    """Greets at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str = "") -> str:
    """Works for so many seconds."""
    await asyncio.sleep(seconds)
    return f"Computed {label} for {seconds:g} s"


def failing_job(ctx: Context) -> str:
    """Fails as a tool, and always as a task."""
    raise missing()


def protocol_error_job() -> str:
    """Breaks."""
    raise RuntimeError("broken")


def confirm_delete(filename: str) -> str:
    """Asks once before it goes on."""
    return f"{filename} stays: there was nobody to ask."


def multi_input() -> str:
    """Asks for two things at once."""
    return "There was nobody to ask."


def test_tool_with_task(ctx: Context) -> Any:
    """Asks for a name in its result, and goes on as a task once it has it."""
    return questions.test_input_required_result_elicitation(ctx)


# --- tasks ---


class Task:
    """Work under way, and what has come of it."""

    def __init__(self, work: Callable[["Task"], Awaitable[dict[str, Any]]]) -> None:
        self.id = secrets.token_urlsafe(24)
        self.created = self.updated = datetime.now(UTC)
        self.status = "working"
        self.more: dict[str, Any] = {}
        self.asked: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.answered = asyncio.Event()
        self.running = asyncio.create_task(self.run(work))

    async def run(self, work: Callable[["Task"], Awaitable[dict[str, Any]]]) -> None:
        try:
            self.settle("completed", result=await work(self))
        except asyncio.CancelledError:
            self.settle("cancelled")
        except Exception as broken:
            self.settle("failed", error={"code": INTERNAL_ERROR, "message": str(broken)})

    def settle(self, status: str, **more: Any) -> None:
        self.status, self.more, self.updated = status, more, datetime.now(UTC)

    async def ask(self, **asked: Any) -> dict[str, Any]:
        """Waits until each question has its answer."""
        self.asked, self.status = asked, "input_required"
        while self.asked:
            self.answered.clear()
            await self.answered.wait()
        self.status = "working"
        return self.answers

    def answer(self, answers: dict[str, Any]) -> None:
        for key in answers.keys() & self.asked.keys():
            self.answers[key] = answers[key]
            del self.asked[key]
        self.answered.set()

    def told(self) -> dict[str, Any]:
        """How it stands."""
        at = {"createdAt": self.created.isoformat(), "lastUpdatedAt": self.updated.isoformat()}
        return {"taskId": self.id, "status": self.status, **at, "ttlMs": 600_000, "pollIntervalMs": 50}


async def slowly(arguments: dict[str, Any], task: Task) -> dict[str, Any]:
    return said(await slow_compute(arguments["seconds"], arguments.get("label", "")))


async def fail(arguments: dict[str, Any], task: Task) -> dict[str, Any]:
    await asyncio.sleep(0.2)
    return said("This job always fails.", is_error=True)


async def break_off(arguments: dict[str, Any], task: Task) -> dict[str, Any]:
    raise RuntimeError("This job breaks.")


async def confirm(arguments: dict[str, Any], task: Task) -> dict[str, Any]:
    answers = await task.ask(confirm=form(f"Delete {arguments.get('filename')}?"))
    return said(f"Answered: {answers['confirm'].get('action')}")


async def ask_twice(arguments: dict[str, Any], task: Task) -> dict[str, Any]:
    answers = await task.ask(first=form("And the first?"), second=form("And the second?"))
    return said(f"{len(answers)} answers")


WORK = {
    "slow_compute": slowly,
    "failing_job": fail,
    "protocol_error_job": break_off,
    "confirm_delete": confirm,
    "multi_input": ask_twice,
}


def said(text: str, is_error: bool = False) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def form(message: str) -> dict[str, Any]:
    fields = {"name": {"type": "string"}, "confirm": {"type": "boolean"}}
    params = {"mode": "form", "message": message, "requestedSchema": {"type": "object", "properties": fields}}
    return {"method": "elicitation/create", "params": params}


# --- the extension ---


class OneTask(RequestParams):
    """Names a task."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    task_id: str
    input_responses: dict[str, Any] = {}


class Tasks(Extension):
    """Tasks in memory, for ever."""

    identifier = EXTENSION

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}

    def methods(self) -> Sequence[MethodBinding]:
        modern = frozenset({"2026-07-28"})
        served = {"tasks/get": self.get, "tasks/update": self.update, "tasks/cancel": self.cancel}
        return [MethodBinding(method, OneTask, handler, modern) for method, handler in served.items()]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Any, call_next: Any) -> Any:
        arguments = params.arguments or {}
        if not knows_tasks(ctx) or params.name == "slow_compute" and arguments.get("seconds") == 0:
            return await call_next(ctx)
        if params.name in WORK:
            work = WORK[params.name]
            return self.begin(lambda task: work(arguments, task))
        result = await call_next(ctx)
        if params.name == "test_tool_with_task" and getattr(result, "content", None):
            text = result.content[0].text

            async def at_once(task: Task) -> dict[str, Any]:
                return said(text)

            return self.begin(at_once)
        return result

    def begin(self, work: Callable[[Task], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        task = Task(work)
        self.tasks[task.id] = task
        return {"resultType": "task", **task.told()}

    async def get(self, ctx: Any, params: OneTask) -> dict[str, Any]:
        task = self.named(ctx, params)
        asked = {"inputRequests": dict(task.asked)} if task.status == "input_required" else {}
        return {"resultType": "complete", **task.told(), **asked, **task.more}

    async def update(self, ctx: Any, params: OneTask) -> dict[str, Any]:
        self.named(ctx, params).answer(params.input_responses)
        return {"resultType": "complete"}

    async def cancel(self, ctx: Any, params: OneTask) -> dict[str, Any]:
        self.named(ctx, params).running.cancel()
        return {"resultType": "complete"}

    def named(self, ctx: Any, params: OneTask) -> Task:
        if not knows_tasks(ctx):
            raise missing()
        if ctx.request.headers.get("mcp-name") != params.task_id:
            raise MCPError(code=HEADER_MISMATCH, message="Mcp-Name differs from the body")
        if params.task_id not in self.tasks:
            raise MCPError(code=INVALID_PARAMS, message="Failed to retrieve task: Task not found")
        return self.tasks[params.task_id]


def knows_tasks(ctx: Any) -> bool:
    """Whether this very request says so."""
    declared = ctx.session.client_capabilities
    return declared is not None and EXTENSION in (declared.extensions or {})


def missing() -> MCPError:
    needed = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    return MCPError(code=MISSING_REQUIRED_CLIENT_CAPABILITY, message="This needs a client that knows tasks", data=needed)
