"""What type checkers know of `Stream.pipe`: exact types.

No code: at run time `Stream` has a ``pipe`` of its own.
"""

# A result is a `Stream`, where RxPY's ``pipe`` has the `Observable` that an operator returns.
# mypy: disable-error-code="override"
# pyright: reportIncompatibleMethodOverride=false, reportOverlappingOverload=false
# pyright: reportInvalidTypeVarUse=false, reportRedeclaration=false

from collections.abc import Callable
from typing import Any, overload

from reactivex import Observable
from reactivex.observable import ConnectableObservable
from typing_extensions import TypeVar

from .streams import ConnectableStream, Stream

MYPY: bool  # true for mypy alone

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
PipedA = TypeVar("PipedA", default=Any)
PipedB = TypeVar("PipedB", default=PipedA)
PipedC = TypeVar("PipedC", default=PipedB)
PipedD = TypeVar("PipedD", default=PipedC)
PipedE = TypeVar("PipedE", default=PipedD)
PipedF = TypeVar("PipedF", default=PipedE)
PipedG = TypeVar("PipedG", default=PipedF)
PipedH = TypeVar("PipedH", default=PipedG)
PipedI = TypeVar("PipedI", default=PipedH)
PipedJ = TypeVar("PipedJ", default=PipedI)
PipedK = TypeVar("PipedK", default=PipedJ)
PipedL = TypeVar("PipedL", default=PipedK)

class PipedStream(Observable[T]):
    # mypy checks the arguments of an overloaded function without their context first, and refuses
    # lambdas in them. It accepts them in a function that is not overloaded, where an operator
    # that is left out has the type of the one before it.
    if MYPY:
        def pipe(
            self,
            op1: Callable[[Observable[T]], Observable[PipedA]] = ...,
            op2: Callable[[Observable[PipedA]], Observable[PipedB]] = ...,
            op3: Callable[[Observable[PipedB]], Observable[PipedC]] = ...,
            op4: Callable[[Observable[PipedC]], Observable[PipedD]] = ...,
            op5: Callable[[Observable[PipedD]], Observable[PipedE]] = ...,
            op6: Callable[[Observable[PipedE]], Observable[PipedF]] = ...,
            op7: Callable[[Observable[PipedF]], Observable[PipedG]] = ...,
            op8: Callable[[Observable[PipedG]], Observable[PipedH]] = ...,
            op9: Callable[[Observable[PipedH]], Observable[PipedI]] = ...,
            op10: Callable[[Observable[PipedI]], Observable[PipedJ]] = ...,
            op11: Callable[[Observable[PipedJ]], Observable[PipedK]] = ...,
            op12: Callable[[Observable[PipedK]], Observable[PipedL]] = ...,
            /,
        ) -> Stream[PipedL]: ...
    else:
        @overload
        def pipe(self) -> Stream[T]: ...
        @overload
        def pipe(
            self, op1: Callable[[Observable[T]], ConnectableObservable[A]], /
        ) -> ConnectableStream[A]: ...
        @overload
        def pipe(self, op1: Callable[[Observable[T]], Observable[A]], /) -> Stream[A]: ...
        @overload
        def pipe(self, op1: Callable[[Observable[T]], A], /) -> A: ...
        @overload
        def pipe(
            self, op1: Callable[[Observable[T]], A], op2: Callable[[A], ConnectableObservable[B]], /
        ) -> ConnectableStream[B]: ...
        @overload
        def pipe(
            self, op1: Callable[[Observable[T]], A], op2: Callable[[A], Observable[B]], /
        ) -> Stream[B]: ...
        @overload
        def pipe(self, op1: Callable[[Observable[T]], A], op2: Callable[[A], B], /) -> B: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], ConnectableObservable[C]],
            /,
        ) -> ConnectableStream[C]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], Observable[C]],
            /,
        ) -> Stream[C]: ...
        @overload
        def pipe(
            self, op1: Callable[[Observable[T]], A], op2: Callable[[A], B], op3: Callable[[B], C], /
        ) -> C: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], ConnectableObservable[D]],
            /,
        ) -> ConnectableStream[D]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], Observable[D]],
            /,
        ) -> Stream[D]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            /,
        ) -> D: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], ConnectableObservable[E]],
            /,
        ) -> ConnectableStream[E]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], Observable[E]],
            /,
        ) -> Stream[E]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            /,
        ) -> E: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], ConnectableObservable[F]],
            /,
        ) -> ConnectableStream[F]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], Observable[F]],
            /,
        ) -> Stream[F]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            /,
        ) -> F: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], ConnectableObservable[G]],
            /,
        ) -> ConnectableStream[G]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], Observable[G]],
            /,
        ) -> Stream[G]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], G],
            /,
        ) -> G: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], G],
            op8: Callable[[G], ConnectableObservable[H]],
            /,
        ) -> ConnectableStream[H]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], G],
            op8: Callable[[G], Observable[H]],
            /,
        ) -> Stream[H]: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Observable[T]], A],
            op2: Callable[[A], B],
            op3: Callable[[B], C],
            op4: Callable[[C], D],
            op5: Callable[[D], E],
            op6: Callable[[E], F],
            op7: Callable[[F], G],
            op8: Callable[[G], H],
            /,
        ) -> H: ...
        @overload
        def pipe(
            self,
            op1: Callable[[Any], Any],
            op2: Callable[[Any], Any],
            op3: Callable[[Any], Any],
            op4: Callable[[Any], Any],
            op5: Callable[[Any], Any],
            op6: Callable[[Any], Any],
            op7: Callable[[Any], Any],
            op8: Callable[[Any], Any],
            op9: Callable[[Any], Any],
            /,
            *operators: Callable[[Any], Any],
        ) -> Any: ...
