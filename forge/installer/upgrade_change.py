"""Links the new set in place of the one before; or that one again, when it has failed."""

import shutil
import time

from link import link, marker, read_release, replace, stem_of, write_cache_records, write_condarc, write_history  # type: ignore[import-not-found]
from rattler import MatchSpec
from upgrade_aside import put_back, set_aside  # type: ignore[import-not-found]
from upgrade_mend import mend_records, sweep, sweep_after_conda, unfinished, was_killed  # type: ignore[import-not-found]
from upgrade_state import Place, earlier, read_records  # type: ignore[import-not-found]
from upgrade_target import Target, target  # type: ignore[import-not-found]
from wording import message  # type: ignore[import-not-found]


async def change(place: Place, new: Target, relink: bool, resumed: bool) -> None:
    """Makes one environment hold its target.

    One that does already is left as it is, down to what conda or constructor's installer has noted in its records.
    """
    environment, before = new.environment, place.before
    folder = environment.folder(place.prefix)
    packages = {package.name for package in new.packages}
    after_conda = was_killed(folder)
    present = read_records(folder)
    if {stem_of(record) for record in present} == new.stems and not (relink or resumed or after_conda):
        return
    untouched = before.untouched(environment.name)
    anew = {package.name for package in new.packages if package.stem not in untouched}
    await link(
        environment,
        folder,
        [package.linkable(place.cache) for package in new.packages],
        cache=place.cache,
        present=present,
        ignored={record.name.normalized for record in new.kept},
        anew=packages if relink or after_conda else anew if resumed else (),
    )
    if after_conda:
        sweep_after_conda(folder, place.cache, earlier(environment, place.release_before()) - new.stems)
    if resumed:
        sweep(folder, place.cache, unfinished(before, environment.name, new.stems))
    # rattler notes in every record whether it was asked for, and would unsay what conda has noted there.
    kept = {stem_of(record) for record in new.kept}
    for path in before.files(environment.name):
        if path.stem in kept:
            shutil.copy2(path, folder / "conda-meta")


async def bring(place: Place, relink: bool, command: str) -> None:
    """All of it, in order."""
    release, resumed = read_release(place.work), place.is_interrupted()
    if not resumed:
        place.before.take(place, release)
        if place.complete.is_file():
            place.complete.rename(place.replaced)
    for environment in release.environments:
        mend_records(environment.folder(place.prefix), place.before, environment.name)
    present = {item.name: read_records(item.folder(place.prefix)) for item in release.environments}
    targets = [await target(place, release, item, present[item.name]) for item in release.environments]
    for new in targets:
        folder = new.environment.folder(place.prefix)
        # Else what nobody's package owns may be ours or conda's, from a run that was killed.
        if not place.before.has_attempts() and not was_killed(folder):
            set_aside(place, folder, new.packages)
    place.before.add_attempt({new.environment.name: sorted(new.stems) for new in targets})
    if relink or any(was_killed(item.folder(place.prefix)) for item in release.environments):
        place.before.add_attempt({})  # which keeps nothing as it is: going back links all of it again, too
    replaced = place.release_before()
    for new in targets:
        environment = new.environment
        print(f"  {environment.name}: {len(new.stems)}", flush=True)
        await change(place, new, relink, resumed)
        asked = replaced.get("environments", {}).get(environment.name, {}).get("specs", ())
        wanted = {MatchSpec(spec).name.normalized for spec in environment.specs}
        dropped = [name for spec in asked if (name := MatchSpec(spec).name.normalized) not in wanted]
        write_history(environment, environment.folder(place.prefix), command, release, dropped)
    write_cache_records(place.cache, release.packages)
    if not write_condarc(place.prefix, release.condarc, replaced.get("condarc_sha256")):
        print(message("condarc_stays", path=place.prefix / ".condarc"), flush=True)
    ours = {item.name: sorted(earlier(item, replaced)) for item in release.environments}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    replace(place.work / "installed.json", marker(release, now, ours))


async def back(place: Place) -> None:
    """Puts back the set before."""
    before = place.before
    for environment in read_release(place.work).environments:
        folder = environment.folder(place.prefix)
        mend_records(folder, before, environment.name)
        old, untouched = before.records(environment.name), before.untouched(environment.name)
        await link(
            environment,
            folder,
            old,
            cache=place.cache,
            present=read_records(folder),
            ignored={record.name.normalized for record in old if stem_of(record) in untouched},
            anew={record.name.normalized for record in old if stem_of(record) not in untouched},
        )
        sweep(folder, place.cache, unfinished(before, environment.name, {stem_of(record) for record in old}))
        meta = folder / "conda-meta"
        for path in meta.glob("*.json"):
            path.unlink()
        for path in (before.folder / environment.name).iterdir():
            shutil.copy2(path, meta)
    put_back(place)
