"""Every channel keeps the contract, and what its documentation shows works."""

from __future__ import annotations

import ast
import hashlib
import hmac
import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from opswatch import plugins
from opswatch.core.model import Secret
from tests.channels.test_render import page_to

ROOT = Path(__file__).parents[2]
KINDS = plugins.names("channels")


def example(kind):
    """The `[[channel]]` of the module's docstring, without what the config keeps for itself."""
    text = plugins.find("channels", kind).__doc__
    toml = text[text.index("[[channel]]") :].split("\n\n")[0]
    (table,) = tomllib.loads(toml)["channel"]
    assert table.pop("kind") == kind
    assert table.pop("id")
    return table


def configured(kind):
    module, table = plugins.find("channels", kind), example(kind)
    to = table.get("to", "") if "to" in module.Config.model_fields else table.pop("to", "")
    return module, module.Config(**table), to


def test_the_channels_of_this_release_are_there():
    assert set(KINDS) >= {"console", "email", "file", "slack", "webhook"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_toml_of_the_docstring_configures_it(kind):
    module, config, to = configured(kind)
    assert callable(module.Channel(config, to=to).send)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_keys_are_refused_and_the_config_is_frozen(kind):
    module, config, _ = configured(kind)
    with pytest.raises(ValidationError):
        module.Config(**example(kind), colour_of_the_moon="blue")
    with pytest.raises(ValidationError):
        setattr(config, next(iter(module.Config.model_fields)), None)


@pytest.mark.parametrize("kind", KINDS)
def test_send_takes_a_message_and_an_address(kind):
    parameters = list(inspect.signature(plugins.find("channels", kind).Channel.send).parameters)
    assert parameters == ["self", "message", "address"]


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_not_shown(kind):
    _, config, _ = configured(kind)
    written = {name for name, value in example(kind).items() if isinstance(value, str) and value.startswith("env:")}
    secret = {name for name in type(config).model_fields if isinstance(getattr(config, name), Secret)}
    assert written <= secret
    for name in secret:
        assert getattr(config, name).reveal() not in repr(config)


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_file_shows_its_config_and_its_channel_and_nothing_else(kind):
    tree = ast.parse(Path(plugins.find("channels", kind).__file__).read_text(encoding="utf-8"))
    shown = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert {name for name in shown if not name.startswith("_")} == {"Config", "Channel"}


# ---------------------------------------------------------------------------------------------------------------------
# The documents


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_payload_is_what_is_sent():
    (shown,) = blocks("channels.md", "json")
    assert json.loads(shown) == page_to("bo").payload


def test_the_documented_check_of_the_signature_works():
    (code,) = blocks("channels.md", "python")
    names = {}
    exec(code, names)
    signature = "sha256=" + hmac.new(b"hush", b"{}", hashlib.sha256).hexdigest()
    assert names["is_ours"](b"{}", signature, "hush")
    assert not names["is_ours"](b"{} ", signature, "hush")


def test_the_table_of_channels_is_complete():
    text = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(KINDS)


def test_the_slack_manifest_asks_for_what_the_door_needs():
    (manifest,) = (json.loads(block) for block in blocks("slack.md", "json"))
    assert manifest["settings"]["socket_mode_enabled"]
    assert manifest["settings"]["interactivity"]["is_enabled"]
    assert {"app_mention", "message.channels", "message.im"} <= set(
        manifest["settings"]["event_subscriptions"]["bot_events"]
    )
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    explained = (ROOT / "docs" / "slack.md").read_text(encoding="utf-8")
    assert all(f"`{scope}`" in explained for scope in scopes)
    assert len(manifest["features"]["slash_commands"][0]["description"]) <= 100


def test_the_documented_slack_channel_is_the_modules_own():
    (toml,) = blocks("slack.md", "toml")
    (table,) = tomllib.loads(toml)["channel"]
    module = plugins.find("channels", "slack")
    module.Config(**{name: value for name, value in table.items() if name not in ("id", "kind")})
