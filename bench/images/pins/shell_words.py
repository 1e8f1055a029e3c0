"""Which word of a command line is the program, behind `sudo`, `env`, `timeout` and their like."""

from __future__ import annotations

from collections.abc import Sequence

SHELLS = {"sh", "bash", "dash", "ash", "zsh"}
KEYWORDS = {"if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "time", "fi", "done", "esac"}
# Program -> its options that take a value. The program that they start follows the options.
WRAPPERS = {
    "sudo": {"-u", "-g", "-p", "-C", "-h", "--user", "--group"},
    "env": {"-u", "-C", "-S", "--unset", "--chdir"},
    "nice": {"-n", "--adjustment"},
    "ionice": {"-c", "-n"},
    "timeout": {"-s", "-k", "--signal", "--kill-after"},
    "xargs": {"-n", "-I", "-P", "-L", "-d", "-a", "-s", "--max-args", "--max-procs", "--delimiter", "--arg-file"},
    "stdbuf": {"-i", "-o", "-e"},
    "nohup": set(),
    "exec": {"-a"},
    "command": set(),
    "builtin": set(),
    "catchsegv": set(),
    "gosu": set(),
    "su-exec": set(),
    "setuidgid": set(),
    "s6-setuidgid": set(),
    "chroot": {"--userspec", "--groups"},
    "runuser": {"-u", "--user", "-g", "--group", "-G", "--supp-group", "-s", "--shell"},
    "setpriv": {"--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set", "--ambient-caps"},
    "doas": {"-u", "-C"},
    "taskset": {"-c", "--cpu-list"},
    "numactl": {"-N", "-m", "-C", "-i"},
    "tini": {"-p", "-e"},
    "dumb-init": {"-r"},
    "xvfb-run": {"-n", "-s", "-e", "-f", "-p", "-w"},
    "eatmydata": set(),
    "fakeroot": {"-l", "-s", "-i"},
    "busybox": set(),
}
ONE_WORD = {"timeout", "gosu", "su-exec", "setuidgid", "s6-setuidgid", "chroot", "taskset"}  # that stands before it
CONDA = {"conda", "mamba", "micromamba"}
CONDA_RUN = {"-n", "--name", "-p", "--prefix", "--cwd", "-r", "--root-prefix", "-e", "--env", "-a", "--attach"}
SCRIPTED = {"su", "runuser"}  # `-c SCRIPT` anywhere behind them


def program_name(word: str) -> str:
    """`/opt/venv/bin/pip3` is `pip3`."""
    return word.rsplit("/", 1)[-1]


def unwrap(words: Sequence[str]) -> int:
    """Index of the program that does the work."""
    at = 0
    while at < len(words):
        name = program_name(words[at])
        if name in CONDA:
            following = _conda_run(words, at)
        elif name in WRAPPERS and _scripted(words[at:]) is None:
            following = _behind_options(words, at + 1, WRAPPERS[name])
        else:
            break
        if following is None:
            return at
        if name in ONE_WORD:
            following += 1
        while following < len(words) and _is_assignment(words[following]):
            following += 1
        if following >= len(words):
            return at
        at = following
    return at


def _behind_options(words: Sequence[str], at: int, valued: set[str]) -> int:
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return at + 1
        at += 2 if words[at] in valued else 1
    return at


def _conda_run(words: Sequence[str], at: int) -> int | None:
    """Behind `conda run -n env`; None for conda's other verbs."""
    verb = _behind_options(words, at + 1, CONDA_RUN)
    if verb >= len(words) or words[verb] != "run":
        return None
    return _behind_options(words, verb + 1, CONDA_RUN)


def _scripted(words: Sequence[str]) -> int | None:
    """Index of the script of `su -c SCRIPT user`, `su - user -c SCRIPT`, `runuser -l user -c SCRIPT`."""
    if program_name(words[0]) not in SCRIPTED:
        return None
    for at, word in enumerate(words[1:-1], start=1):
        if word in ("-c", "--command", "--session-command") or (
            word[:1] == "-" and word[1:2] != "-" and word[-1] == "c"
        ):
            return at + 1
        if word == "--":
            break
    return None


def _is_assignment(word: str) -> bool:
    return "=" in word and word.partition("=")[0].isidentifier()


def script_at(words: Sequence[str]) -> int | None:
    """Index of the word that a shell runs: behind `bash -c`, `sh -lc`, `eval`."""
    name = program_name(words[0])
    if name == "eval" and len(words) == 2:
        return 1
    if name in SCRIPTED:
        return _scripted(words)
    if name not in SHELLS:
        return None
    for at, word in enumerate(words[1:-1], start=1):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            return at + 1
        if not word.startswith(("-", "+")) and words[at - 1] not in ("-o", "-eo", "-euo", "-euxo", "+o"):
            return None
    return None
