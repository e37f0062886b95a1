"""Report the errors of mypy in the mutants, in the format that mutmut reads (that of pyright).

mutmut writes all mutants of a function beside one another. Some of mypy's errors come from that and
would not be there if the mutant stood alone in the place of its function. They are left out: tests
decide. A mutant that mypy refuses counts as caught, since CI runs mypy.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

CODES = {
    *("arg-type", "assignment", "call-arg", "call-overload", "dict-item", "index", "list-item"),
    *("name-defined", "operator", "return", "return-value", "union-attr", "typeddict-item"),
}
"""Errors about a value and its use, which do not depend on what else the class defines."""

NEW_ATTRIBUTE = re.compile(r" *self\.\w+ = ")
"""In `__init__` this is what gives an attribute its type: alone, a mutant would give it another."""


def mutant_lines(path: Path) -> set[int]:
    """Return the numbers of the lines where a mutant is the cause of an error."""
    text = path.read_text(encoding="utf-8")
    attributes = {at for at, line in enumerate(text.splitlines(), 1) if NEW_ATTRIBUTE.match(line)}
    lines: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            number = node.name.rpartition("__mutmut_")[2]
            if number != node.name and number.isdecimal():
                own = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
                if "__init__" in node.name:
                    own -= attributes
                lines |= own
    return lines


def main() -> None:
    """Run mypy over the package in the current folder, and print the errors in mutants."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--output=json"]
    ran = subprocess.run([*command, "rxbosbase"], capture_output=True, text=True)
    if ran.returncode not in (0, 1):
        sys.exit(ran.stderr or ran.stdout)
    errors = [json.loads(line) for line in ran.stdout.splitlines() if line.strip()]
    lines = {file: mutant_lines(Path(file)) for file in {error["file"] for error in errors}}
    found = [
        {
            "file": str(Path(error["file"]).resolve()),
            "range": {"start": {"line": error["line"] - 1}},
            "message": error["message"],
        }
        for error in errors
        if error["severity"] == "error"
        and error["code"] in CODES
        and error["line"] in lines[error["file"]]
    ]
    print(json.dumps({"generalDiagnostics": found}))


if __name__ == "__main__":
    main()
