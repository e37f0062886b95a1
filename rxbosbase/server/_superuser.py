"""Creates the superuser of an embedded server without showing its password."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.errors import ConnectionFailedError, RequestTimeoutError

from ._home import UMASK, Home

__all__ = ("create_superuser",)

UPSERT_TIMEOUT = 30.0

COMMAND = "rxbosbase-superuser"

# The server's own command has the password as an argument, which every user of the machine can read
# in the list of processes. This command does the same, and reads the password from standard input.
SCRIPT = """
$app.rootCmd.addCommand(new Command({
    use: "%s",
    run: () => {
        try {
            const login = JSON.parse(toString($os.readFile("/dev/stdin")))
            const superusers = $app.findCollectionByNameOrId("_superusers")
            let record
            try {
                record = $app.findAuthRecordByEmail(superusers, login.email)
            } catch {
                record = new Record(superusers)
                record.setEmail(login.email)
            }
            record.setPassword(login.password)
            $app.save(record)
        } catch (problem) {
            console.log(problem)
            $os.exit(1)
        }
    },
}))
"""


def create_superuser(
    binary: Path, home: Home, environment: Mapping[str, str], email: str, password: str
) -> None:
    """Create the superuser, or set the new password of an existing one with this address.

    Raises:
        ConnectionFailedError: the binary does not run, or fails; its output is in the message.
        RequestTimeoutError: it did not end within 30 s.
    """
    hooks = home.root / "superuser"
    hooks.mkdir(exist_ok=True)
    (hooks / "superuser.pb.js").write_text(SCRIPT % COMMAND)
    # The last --hooksDir is used, so that none of the user's own hooks runs.
    command = [str(binary), COMMAND, *home.options, f"--hooksDir={hooks}"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps({"email": email, "password": password}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=home.root,
            env=environment,
            umask=UMASK,
            timeout=UPSERT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RequestTimeoutError(
            f"{binary} made no superuser within {UPSERT_TIMEOUT:g} s: is its data folder on a slow "
            "disk, or in use by another server?"
        ) from None
    except OSError as problem:
        raise ConnectionFailedError(f"Cannot run {binary}: {problem.strerror}") from None
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace").strip().replace(password, "***")
        raise ConnectionFailedError(
            f"{binary} made no superuser (exit code {done.returncode}). Its output:\n"
            + one_line(output, keep="\n")
        )
