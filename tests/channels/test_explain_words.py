"""Explanations, scenarios and comparisons are said in English and Chinese alike."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest

FACT = re.compile(r"\{(\w+)\??\}")


@pytest.mark.parametrize("catalogue", ["explain", "test"])
def test_both_languages_say_everything_with_the_same_facts(catalogue: str):
    def said(language: str) -> dict[tuple[str, str], set[str]]:
        text = files("opswatch").joinpath("locale", f"{catalogue}.{language}.toml").read_text(encoding="utf-8")
        return {
            (section, key): set(FACT.findall(words))
            for section, keys in tomllib.loads(text).items()
            for key, words in keys.items()
        }

    assert said("en") == said("zh")
