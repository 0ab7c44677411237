"""What every page needs: the office behind the door, who is asking, in which language, and how a page is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.types import Scope

from opswatch import __version__
from opswatch.assemble import Office
from opswatch.core.plan import Plan
from opswatch.links import key_of
from opswatch.playbooks import Playbooks
from opswatch.web.auth import COOKIE, Caller, Gate
from opswatch.web.clients import Client, Proxies
from opswatch.web.health import Health
from opswatch.web.words import Words, language_for

STATIC_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Door:
    """One office, as the web sees it. `health` says how the daemon stands; it is asked often, and must not wait."""

    def __init__(self, office: Office, health: Callable[[], Health]) -> None:
        self._health = health
        self.use(office)

    def use(self, office: Office) -> None:
        """Serve this office from now on: a reload brings other tokens, another plan."""
        settings = office.settings
        self._proxies = Proxies(settings.web.trusted_proxies)
        self.gate = Gate(settings, key_of(settings.data_dir))
        self.office = office

    @property
    def plan(self) -> Plan:
        return self.office.plan

    def now(self) -> datetime:
        """This instant, UTC."""
        return self.office.now()

    def health(self) -> Health:
        """How the daemon stands; neither alive nor ready when it cannot say."""
        try:
            return self._health()
        except Exception as trouble:  # A broken answer to "are you well?" is an answer.
            return Health(alive=False, ready=False, problems=(f"cannot say how it stands: {type(trouble).__name__}",))

    def playbooks(self) -> Playbooks:
        """Those that were loaded with the plan."""
        return self.office.loaded.playbooks

    # who

    def client(self, scope: Scope) -> Client:
        """Who is at the other end, from the connection and its headers."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        peer = scope["client"][0] if scope.get("client") else ""
        return self._proxies.client(peer, headers, is_tls=scope["scheme"] == "https")

    def caller(self, request: Request) -> Caller:
        """Who asks, and all they may do."""
        client = self.client(request.scope)
        return self.gate.caller(client, request.headers, request.cookies.get(COOKIE), self.now())

    def admit(self, request: Request, right: str) -> Caller:
        """Who asks, if they may do this. Raises auth.Refused."""
        caller = self.caller(request)
        self.gate.admit(caller, right, request.headers)
        return caller

    # words

    def words(self, request: Request, person: str | None) -> Words:
        """For the person, else for whoever this browser belongs to."""
        asked, accept = request.query_params.get("lang"), request.headers.get("accept-language", "")
        known = self.plan.people.get(person or "")
        language = language_for(self.plan, asked=asked, person=person, accept=accept)
        return Words(language, plan=self.plan, zone=known.timezone if known else self.plan.timezone)

    def page(
        self,
        request: Request,
        template: str,
        words: Words,
        caller: Caller | None = None,
        *,
        status: int = 200,
        is_known: bool = False,
        **facts: object,
    ) -> HTMLResponse:
        """A page of `templates/web/`. Links keep the language that was asked for. Strangers are not told whose
        installation this is; `is_known` says that the reader is none, where there is no caller."""
        asked = request.query_params.get("lang")
        suffix = f"?lang={words.language}" if asked == words.language else ""
        plan = self.plan
        html = (
            _templates()
            .get_template(f"{template}.html.j2")
            .render(
                words=words,
                say=words.say,
                caller=caller,
                is_known=is_known or caller is not None,
                plan=plan,
                now=self.now(),
                path=request.url.path,
                href=lambda path: path + suffix,
                asset=asset,
                version=__version__,
                **facts,
            )
        )
        return HTMLResponse(html, status)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name; none when it cannot be read as one. The guard has bounded it."""
    try:
        given = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in given.items()}


Form = Annotated[dict[str, str], Depends(read_form)]
"""What an endpoint takes that reads a form: FastAPI's own way needs one more library."""


@cache
def static(name: str) -> tuple[bytes, str] | None:
    """A file of `static/` and its media type; None for anything else."""
    kind = STATIC_TYPES.get(name.rpartition(".")[2])
    if kind is None or name not in _static_names():
        return None
    return files("opswatch.web").joinpath("static", name).read_bytes(), kind


@cache
def asset(name: str) -> str:
    """The address of a static file, with a mark of its content: it may be kept for ever."""
    found = static(name)
    assert found is not None, f"there is no static file {name}"
    return f"/static/{name}?{hashlib.sha256(found[0]).hexdigest()[:12]}"


@cache
def _static_names() -> frozenset[str]:
    return frozenset(file.name for file in files("opswatch.web").joinpath("static").iterdir())


@cache
def _templates() -> Environment:
    env = Environment(
        loader=PackageLoader("opswatch", "templates/web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["markdown"] = markdown
    return env


def markdown(text: str) -> Markup:
    """Markdown as HTML. What looks like HTML in it is shown, not obeyed; `javascript:` links stay text."""
    return Markup(_markdown().render(text))


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt  # Late: few pages need it.

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
