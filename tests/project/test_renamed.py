"""The old names of public modules work, and warn, for one version."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from rxbosbase._renamed import MODULES, NAMES

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"

PACKAGES = {
    "rxbosbase.auth": "rxbosbase.auth.store",
    "rxbosbase.records": "rxbosbase.records.requests",
}
"""Modules that are packages of the same name now."""

ALL = MODULES | PACKAGES

EXPORTED = {
    "rxbosbase.auth": "AuthState AuthStore check_token token_claims",
    "rxbosbase.auth_file": "MAX_FILE_BYTES FileAuthStore",
    "rxbosbase.doctor": "Finding examine",
    "rxbosbase.filters": "GUARDS Dialect UnknownDialectError build_filter without_comments",
    "rxbosbase.live.snapshot": "Change Reordered Snapshot apply_changes",
    "rxbosbase.login": "Login as_login",
    "rxbosbase.loop": "LoopScheduler",
    "rxbosbase.models": "Model decoder_for",
    "rxbosbase.realtime.events": (
        "MalformedEvent Message RecordEvent decode_message decode_record_event "
        "decode_record_events usual_action"
    ),
    "rxbosbase.realtime.facade": "Realtime Unsubscribe check_seconds subscribe_blocking",
    "rxbosbase.realtime.iterate": "EventIterator Open",
    "rxbosbase.realtime.lifecycle": "TRANSITIONS IllegalTransition Signal State transition",
    "rxbosbase.realtime.reconnect": "RESET_AFTER BackoffPolicy retry_with_backoff",
    "rxbosbase.realtime.stats": "Stats",
    "rxbosbase.realtime.status": "SessionStatus StateName Status summarize",
    "rxbosbase.realtime.topics": (
        "MAX_TOPICS MAX_TOPIC_LENGTH Options Topic check_collection check_id "
        "check_topic_headers custom_topic header_name normalise_options parse_topic "
        "record_topic"
    ),
    "rxbosbase.records": "OnUnreadable Page Record Records T",
    "rxbosbase.schema": "Collections",
    "rxbosbase.streams": "Latest Stream",
    "rxbosbase.testing.clock": "VirtualClock VirtualLoop VirtualTime",
    "rxbosbase.testing.tape": "record_stream replay_stream",
    "rxbosbase.unreadable": (
        "UnreadableRecord UnreadableRow find_unreadable read_answer read_record"
    ),
}
"""What the old modules listed in ``__all__``."""


@pytest.mark.parametrize("old", ALL)
def test_an_old_module_gives_the_names_of_the_new_one_and_warns(old: str) -> None:
    """Each public name of a moved module is the same object by the old name, with a warning."""
    new = import_module(ALL[old])
    module = import_module(old)
    names = [name for name in new.__all__ if f"{old}.{name}" not in NAMES]
    assert names
    for name in names:
        with pytest.warns(DeprecationWarning, match=re.escape(f"is {ALL[old]}.{name} now")):
            assert getattr(module, name) is getattr(new, name)


@pytest.mark.parametrize("old", NAMES)
def test_an_old_name_of_its_own_leads_to_the_new_one(old: str) -> None:
    """A renamed class or function is the same object by its old module and name."""
    module, _, name = old.rpartition(".")
    home, _, target = NAMES[old].rpartition(".")
    with pytest.warns(DeprecationWarning, match=re.escape(f"{old} is {NAMES[old]} now")):
        found = getattr(import_module(module), name)
    assert found is getattr(import_module(home), target)


@pytest.mark.parametrize("old", EXPORTED)
def test_each_name_that_an_old_module_exported_is_found(old: str) -> None:
    """Each name of the old module's `__all__` is found by the old path, with a warning."""
    module = import_module(old)
    for name in EXPORTED[old].split():
        with pytest.warns(DeprecationWarning, match="the old name goes with the next version"):
            assert getattr(module, name) is not None


def test_an_old_submodule_is_an_attribute_of_its_package() -> None:
    """`rxbosbase.streams` works without an import of its own, as it did."""
    for package, name in (
        ("rxbosbase", "streams"), ("rxbosbase.realtime", "events"),
        ("rxbosbase.live", "snapshot"), ("rxbosbase.testing", "tape"),
    ):  # fmt: skip
        module = getattr(import_module(package), name)
        assert module is import_module(f"{package}.{name}")


def test_a_star_import_of_an_old_module_imports_its_names() -> None:
    """`from rxbosbase.streams import *` imports the names of the module, with warnings."""
    names: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match="the old name goes with the next version"):
        exec("from rxbosbase.streams import *", names)
    assert {"Latest", "Stream"} <= names.keys()


def test_the_old_name_of_the_virtual_scheduler_is_found() -> None:
    """`rxbosbase.testing.VirtualLoop` is `VirtualScheduler`, with a warning."""
    testing = import_module("rxbosbase.testing")
    with pytest.warns(DeprecationWarning, match="VirtualScheduler now"):
        assert testing.VirtualLoop is testing.VirtualScheduler


def test_the_warning_points_to_the_users_own_line() -> None:
    """`from rxbosbase.streams import Stream` warns at the line of that statement."""
    with pytest.warns(DeprecationWarning, match="next version") as warned:
        exec(compile("from rxbosbase.streams import Stream", "users.py", "exec"), {})
    assert {warning.filename for warning in warned} == {"users.py"}


def test_a_name_that_never_was_is_refused_as_ever() -> None:
    """An unknown name of an old module is an ImportError, an unknown module is not found."""
    with pytest.raises(ImportError, match="Nothing"):
        exec("from rxbosbase.streams import Nothing", {})
    with pytest.raises(ImportError, match="Nothing"):
        exec("from rxbosbase.auth import Nothing", {})
    with pytest.raises(ModuleNotFoundError):
        import_module("rxbosbase.stream")


@pytest.mark.parametrize("old", [*ALL, *NAMES])
def test_the_changelog_names_each_rename(old: str) -> None:
    """CHANGELOG.md names the old and the new name of each public rename."""
    new = ALL.get(old) or NAMES[old]
    text = CHANGELOG.read_text(encoding="utf-8")
    assert re.search(rf"`{re.escape(old)}`[^\n]*`{re.escape(new)}`", text)


@pytest.mark.parametrize("package", ["rxbosbase", "rxbosbase.live", "rxbosbase.auth"])
def test_a_special_name_that_no_module_has_is_refused(package: str) -> None:
    """A name such as `__bool__` is an AttributeError of a package, without a warning."""
    assert not hasattr(import_module(package), "__bool__")
