"""The fluent methods do what their stub says: they return streams, of values of that shape."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex.subject import Subject
from reactivex.testing import TestScheduler

import rxbosbase.runtime
from rxbosbase.runtime.streams import ConnectableStream, Stream

FOLDER = Path(rxbosbase.runtime.__path__[0])
STUBS = [ast.parse((FOLDER / f"{name}.pyi").read_text("utf-8")) for name in ("fluent", "windowed")]
METHODS = [
    method
    for stub in STUBS
    for each in stub.body
    if isinstance(each, ast.ClassDef)
    for method in each.body
    if isinstance(method, ast.FunctionDef)
]
OTHER = reactivex.of(10, 20, 30)
NEVER: Observable[Any] = reactivex.never()
Call = Callable[[Any], Any]

# What a method returns for the values 1, 2, 3: all that is emitted; None where it is not looked at.
CALLS: dict[str, tuple[Call, list[Any] | None]] = {
    "all": (lambda s: s.all(lambda x: x > 0), [True]),
    "amb": (lambda s: s.amb(OTHER), [1, 2, 3]),
    "as_observable": (lambda s: s.as_observable(), [1, 2, 3]),
    "average": (lambda s: s.average(), [2.0]),
    "buffer": (lambda s: s.buffer(NEVER), [[1, 2, 3]]),
    "buffer_toggle": (lambda s: s.buffer_toggle(NEVER, lambda _: NEVER), []),
    "buffer_when": (lambda s: s.buffer_when(lambda: NEVER), [[1, 2, 3]]),
    "buffer_with_count": (lambda s: s.buffer_with_count(2), [[1, 2], [3]]),
    "buffer_with_time": (lambda s: s.buffer_with_time(1.0), [[1, 2, 3]]),
    "buffer_with_time_or_count": (lambda s: s.buffer_with_time_or_count(1.0, 9), [[1, 2, 3]]),
    "catch": (lambda s: s.catch(lambda error, source: OTHER), [1, 2, 3]),
    "combine_latest": (lambda s: s.combine_latest(OTHER, OTHER), None),
    "concat": (lambda s: s.concat(reactivex.of("a")), [1, 2, 3, "a"]),
    "concat_all": (lambda s: s.map(reactivex.just).concat_all(), [1, 2, 3]),
    "concat_map": (lambda s: s.concat_map(lambda x: reactivex.of(x, x)), [1, 1, 2, 2, 3, 3]),
    "contains": (lambda s: s.contains(2), [True]),
    "count": (lambda s: s.count(), [3]),
    "debounce": (lambda s: s.debounce(1.0), [3]),
    "default_if_empty": (lambda s: s.take(0).default_if_empty(7), [7]),
    "delay": (lambda s: s.delay(1.0), [1, 2, 3]),
    "delay_subscription": (lambda s: s.delay_subscription(1.0), [1, 2, 3]),
    "delay_with_mapper": (
        lambda s: s.delay_with_mapper(lambda _: reactivex.empty()), [1, 2, 3]
    ),
    "dematerialize": (lambda s: s.materialize().dematerialize(), [1, 2, 3]),
    "distinct": (lambda s: s.distinct(lambda x: x % 2), [1, 2]),
    "distinct_until_changed": (lambda s: s.distinct_until_changed(lambda x: x > 1), [1, 2]),
    "do": (lambda s: s.do(lambda x: None), [1, 2, 3]),
    "do_action": (lambda s: s.do_action(lambda x: None), [1, 2, 3]),
    "do_while": (lambda s: s.do_while(lambda _: False), [1, 2, 3]),
    "element_at": (lambda s: s.element_at(1), [2]),
    "element_at_or_default": (lambda s: s.element_at_or_default(9, "none"), ["none"]),
    "exclusive": (lambda s: s.map(reactivex.just).exclusive(), None),
    "expand": (lambda s: s.expand(lambda x: reactivex.empty()), [1, 2, 3]),
    "filter": (lambda s: s.filter(lambda x: x > 1), [2, 3]),
    "filter_indexed": (lambda s: s.filter_indexed(lambda x, n: n > 1), [3]),
    "finally_action": (lambda s: s.finally_action(lambda: None), [1, 2, 3]),
    "find": (lambda s: s.find(lambda x, n, source: n == 1), [2]),
    "find_index": (lambda s: s.find_index(lambda x, n, source: x == 3), [2]),
    "first": (lambda s: s.first(lambda x: x > 1), [2]),
    "first_or_default": (lambda s: s.first_or_default(lambda x: x > 9, "none"), ["none"]),
    "flat_map": (lambda s: s.flat_map(lambda x: [x, x]), [1, 1, 2, 2, 3, 3]),
    "flat_map_indexed": (lambda s: s.flat_map_indexed(lambda x, n: [n]), [0, 1, 2]),
    "flat_map_latest": (lambda s: s.flat_map_latest(reactivex.just), None),
    "fork_join": (lambda s: s.fork_join(OTHER), [(3, 30)]),
    "group_by": (lambda s: s.group_by(lambda x: x % 2).map(lambda group: group.key), [1, 0]),
    "group_by_until": (
        lambda s: s.group_by_until(lambda x: x % 2, None, lambda _: NEVER).map(lambda g: g.key),
        [1, 0],
    ),
    "group_join": (
        lambda s: s.group_join(OTHER, lambda _: NEVER, lambda _: NEVER).map(lambda p: p[0]), None
    ),
    "ignore_elements": (lambda s: s.ignore_elements(), []),
    "is_empty": (lambda s: s.is_empty(), [False]),
    "join": (lambda s: s.join(OTHER, lambda _: NEVER, lambda _: NEVER), None),
    "last": (lambda s: s.last(), [3]),
    "last_or_default": (lambda s: s.last_or_default("none", lambda x: x > 9), ["none"]),
    "map": (lambda s: s.map(str), ["1", "2", "3"]),
    "map_indexed": (lambda s: s.map_indexed(lambda x, n: (x, n)), [(1, 0), (2, 1), (3, 2)]),
    "materialize": (lambda s: s.materialize().map(lambda n: n.kind), ["N", "N", "N", "C"]),
    "max": (lambda s: s.max(), [3]),
    "max_by": (lambda s: s.max_by(lambda x: x % 3), [[2]]),
    "merge": (lambda s: s.merge(reactivex.of("a")), None),
    "merge_all": (lambda s: s.map(reactivex.just).merge_all(), [1, 2, 3]),
    "min": (lambda s: s.min(), [1]),
    "min_by": (lambda s: s.min_by(lambda x: x % 3), [[3]]),
    "multicast": (lambda s: s.multicast(Subject()), None),
    "observe_on": (lambda s: s.observe_on(s.scheduler), [1, 2, 3]),
    "on_error_resume_next": (lambda s: s.on_error_resume_next(OTHER), None),
    "pairwise": (lambda s: s.pairwise(), [(1, 2), (2, 3)]),
    "partition": (lambda s: s.partition(lambda x: x > 1)[0], [2, 3]),
    "partition_indexed": (lambda s: s.partition_indexed(lambda x, n: n > 1)[0], [3]),
    "pluck": (lambda s: s.map(lambda x: {"n": x}).pluck("n"), [1, 2, 3]),
    "pluck_attr": (lambda s: s.pluck_attr("real"), [1, 2, 3]),
    "publish": (lambda s: s.publish(), None),
    "publish_value": (lambda s: s.publish_value(0), None),
    "reduce": (lambda s: s.reduce(lambda total, x: total + x, 10), [16]),
    "ref_count": (lambda s: s.publish().ref_count(), None),
    "repeat": (lambda s: s.repeat(2), [1, 2, 3, 1, 2, 3]),
    "replay": (lambda s: s.replay(2), None),
    "retry": (lambda s: s.retry(2), [1, 2, 3]),
    "sample": (lambda s: s.sample(1.0), None),
    "scan": (lambda s: s.scan(lambda total, x: total + x, 10), [11, 13, 16]),
    "sequence_equal": (lambda s: s.sequence_equal([1, 2, 3]), [True]),
    "share": (lambda s: s.share(), [1, 2, 3]),
    "single": (lambda s: s.single(lambda x: x > 2), [3]),
    "single_or_default": (lambda s: s.single_or_default(lambda x: x > 9, "none"), ["none"]),
    "single_or_default_async": (
        lambda s: s.take(0).single_or_default_async(True, "none"), ["none"]
    ),
    "skip": (lambda s: s.skip(1), [2, 3]),
    "skip_last": (lambda s: s.skip_last(1), [1, 2]),
    "skip_last_with_time": (lambda s: s.skip_last_with_time(1.0), None),
    "skip_until": (lambda s: s.skip_until(NEVER), []),
    "skip_until_with_time": (lambda s: s.skip_until_with_time(1.0), []),
    "skip_while": (lambda s: s.skip_while(lambda x: x < 3), [3]),
    "skip_while_indexed": (lambda s: s.skip_while_indexed(lambda x, n: n < 2), [3]),
    "skip_with_time": (lambda s: s.skip_with_time(1.0), []),
    "slice": (lambda s: s.slice(0, 2), [1, 2]),
    "some": (lambda s: s.some(lambda x: x > 2), [True]),
    "starmap": (lambda s: s.pairwise().starmap(lambda a, b: a + b), [3, 5]),
    "start_with": (lambda s: s.start_with(None), [None, 1, 2, 3]),
    "subscribe_on": (lambda s: s.subscribe_on(s.scheduler), [1, 2, 3]),
    "sum": (lambda s: s.sum(), [6]),
    "switch_latest": (lambda s: s.map(reactivex.just).switch_latest(), None),
    "switch_map": (lambda s: s.switch_map(reactivex.just), None),
    "switch_map_indexed": (lambda s: s.switch_map_indexed(lambda x, n: reactivex.of(n)), None),
    "take": (lambda s: s.take(2), [1, 2]),
    "take_last": (lambda s: s.take_last(2), [2, 3]),
    "take_last_buffer": (lambda s: s.take_last_buffer(2), [[2, 3]]),
    "take_last_with_time": (lambda s: s.take_last_with_time(1.0), [1, 2, 3]),
    "take_until": (lambda s: s.take_until(NEVER), [1, 2, 3]),
    "take_until_with_time": (lambda s: s.take_until_with_time(1.0), [1, 2, 3]),
    "take_while": (lambda s: s.take_while(lambda x: x < 2, True), [1, 2]),
    "take_while_indexed": (lambda s: s.take_while_indexed(lambda x, n: n < 2), [1, 2]),
    "take_with_time": (lambda s: s.take_with_time(1.0), [1, 2, 3]),
    "throttle_first": (lambda s: s.throttle_first(1.0), [1]),
    "throttle_with_mapper": (lambda s: s.throttle_with_mapper(lambda _: NEVER), [3]),
    "throttle_with_timeout": (lambda s: s.throttle_with_timeout(1.0), [3]),
    "time_interval": (lambda s: s.time_interval().map(lambda each: each.value), [1, 2, 3]),
    "timeout": (lambda s: s.timeout(1.0), [1, 2, 3]),
    "timeout_with_mapper": (lambda s: s.timeout_with_mapper(NEVER, lambda _: NEVER), [1, 2, 3]),
    "timestamp": (lambda s: s.timestamp().map(lambda each: each.value), [1, 2, 3]),
    "to_dict": (lambda s: s.to_dict(str), [{"1": 1, "2": 2, "3": 3}]),
    "to_iterable": (lambda s: s.to_iterable(), [[1, 2, 3]]),
    "to_list": (lambda s: s.to_list(), [[1, 2, 3]]),
    "to_marbles": (lambda s: s.to_marbles(1.0), None),
    "to_set": (lambda s: s.to_set(), [{1, 2, 3}]),
    "while_do": (lambda s: s.while_do(lambda _: False), []),
    "window": (lambda s: s.window(NEVER), None),
    "window_toggle": (lambda s: s.window_toggle(NEVER, lambda _: NEVER), None),
    "window_when": (lambda s: s.window_when(lambda: NEVER), None),
    "window_with_count": (lambda s: s.window_with_count(2), None),
    "window_with_time": (lambda s: s.window_with_time(1.0), None),
    "window_with_time_or_count": (lambda s: s.window_with_time_or_count(1.0, 9), None),
    "with_latest_from": (lambda s: s.with_latest_from(OTHER), [(1, 30), (2, 30), (3, 30)]),
    "zip": (lambda s: s.zip(OTHER, OTHER), [(1, 10, 10), (2, 20, 20), (3, 30, 30)]),
    "zip_latest": (lambda s: s.zip_latest(OTHER), None),
    "zip_with_iterable": (lambda s: s.zip_with_iterable("ab"), [(1, "a"), (2, "b")]),
}  # fmt: skip


def test_a_sum_of_streams_and_a_keyword_keep_the_scheduler() -> None:
    """`stream + other` is a stream of the same scheduler; keywords of RxPY's methods pass."""
    stream = Stream(reactivex.of({"n": 1}), TestScheduler())
    both = stream + reactivex.of({"n": 2})
    assert isinstance(both, Stream) and both.scheduler is stream.scheduler
    emitted: list[Any] = []
    both.pluck(key="n").subscribe(emitted.append)
    assert emitted == [1, 2]


def test_each_method_of_the_stub_is_in_the_table() -> None:
    """`CALLS` has each fluent method that the stub declares, and no other."""
    with_a_loop = {"to_future"}  # it returns a future of a running event loop, and no stream
    assert {method.name for method in METHODS} - with_a_loop == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_fluent_method_returns_a_stream_of_what_the_stub_says(name: str) -> None:
    """A fluent method's result carries the scheduler, and emits values of the declared shape."""
    call, expected = CALLS[name]
    scheduler = TestScheduler()
    made = call(Stream(reactivex.of(1, 2, 3), scheduler))
    assert isinstance(made, (Stream, ConnectableStream))
    emitted: list[Any] = []
    made.subscribe(emitted.append, emitted.append)
    scheduler.start()
    assert expected is None or emitted == expected


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_fluent_method_has_the_parameters_of_the_stub(method: ast.FunctionDef) -> None:
    """Each parameter that the stub names is one of RxPY's method."""
    real = inspect.signature(getattr(Observable, method.name)).parameters
    named = [each.arg for each in (*method.args.args, *method.args.kwonlyargs)]
    assert [name for name in named if name not in real] == []
