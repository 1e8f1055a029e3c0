"""The verbs: what the programs in bin/ do, and their exit codes."""

from __future__ import annotations

import os
import traceback

from stand_in import NOTICE, failures
from stand_in.cache import KEY, download, remove_workspace, workspace
from stand_in.dry_run import report
from stand_in.engines import Engine, engine_inside
from stand_in.log import log, say
from stand_in.profiles import Profile, all_profiles, by_id, chosen, listing, runs_here
from stand_in.settings import engine_words, resolved
from stand_in.supervisor import Supervisor


def list_model_profiles(words: list[str]) -> int:
    """Every profile, by whether it can run here."""
    del words
    for line in listing(engine_inside()):
        say(line)
    return 0


def download_to_cache(words: list[str]) -> int:
    """`-p ID`, `--profile ID`, `--all`, or the profile that a start would choose."""
    engine = engine_inside()
    try:
        failures.tell_the_key()
        for profile in _asked(engine, words):
            log("INFO", f"Fetching contents for profile {profile.name}")
            download(engine, profile)
    except (LookupError, OSError) as error:
        return _refused(error)
    return 0


def nim_serve(words: list[str]) -> int:
    """Serve until told to stop; `--dry-run` prints what would be started."""
    engine = engine_inside()
    is_dry_run = "--dry-run" in words
    try:
        profile = chosen(engine)
        settings = resolved(profile, [word for word in words if word != "--dry-run"])
        log("INFO", f"Selected profile: {profile.id} ({profile.name})")
        log("INFO", "Preparing model workspace. This step might download additional files to run the model.")
        place = workspace(engine, profile)
        log("INFO", "Model workspace is now ready.")
    except (LookupError, OSError, ValueError) as error:
        return _refused(error)
    arguments = engine_words(engine, settings)
    if is_dry_run:
        for line in report(engine, profile, settings, str(place), arguments):
            say(line)
        remove_workspace(place)
        return 0
    failures.tell_the_key()
    command = failures.engine_command(engine, settings) or (*engine.start, engine.model_flag, str(place), *arguments)
    model = str(settings["served-model-name"]["value"])
    _say_start(engine, profile, model)
    try:
        return Supervisor(engine, command, profile=profile, model=model).run()
    finally:
        remove_workspace(place)


def _asked(engine: Engine, words: list[str]) -> list[Profile]:
    if "--all" in words:
        return [profile for profile in all_profiles(engine) if runs_here(profile) and not profile.lora]
    for flag in ("-p", "--profile"):
        if flag in words[:-1]:
            return [by_id(engine, words[words.index(flag) + 1])]
    return [chosen(engine)]


def _refused(error: Exception) -> int:
    """The error as a real start leaves it: a line of the log, or a traceback where a file may not be written."""
    if isinstance(error, PermissionError) and error.filename:
        say(traceback.format_exc().rstrip())
    else:
        log("ERROR", str(error.args[0] if error.args else error))
    if isinstance(error, LookupError):
        for line in listing(engine_inside()):
            say(line)
    return 1


def _say_start(engine: Engine, profile: Profile, model: str) -> None:
    """The box that NIM 2.x prints at every level."""
    say(f"Starting {engine.name} ({NOTICE})")
    for name, value in (
        ("Model", model),
        ("Precision", profile.precision),
        ("TP/PP", f"{profile.tp}/{profile.pp}"),
        ("CPU", f"{os.cpu_count()} cores"),
        ("Key", f"{KEY} is {'set' if os.environ.get(KEY) else 'not set'}"),
    ):
        say(f"  {name + ':':<11}{value}")
