"""`storaged quickstart`: a daemon with the packaged analysis stored in it, by the real client."""

import asyncio
import shlex
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path

from storaged_cli.notices import tell

from storaged.daemon import open_daemon, signals_to
from storaged.errors import QuickstartError
from storaged.settings import Settings

RUN = "pantry"
PLACEHOLDER = "@ROOT@"


async def quickstart(settings: Settings) -> None:
    """Start a daemon, store the sample, show its results, and serve until SIGTERM or Ctrl-C."""
    stop = asyncio.Event()
    with signals_to(stop):
        tell(f"Starting a daemon on an embedded PostgreSQL; all it keeps is in {settings.data_dir}.")
        async with open_daemon(settings) as url:
            project = await asyncio.to_thread(unpack_sample, settings.data_dir / "sample")
            product = f"{url}/Default"
            tell(f"\nStoring a small C++ program with planted bugs, analysed by three analysers:\n  {project}")
            trim = ("--trim-path-prefix", str(project))
            await storectl("store", str(project / "reports"), "--name", RUN, *trim, "--url", product)
            tell("\nIts results:")
            await storectl("results", RUN, "--output", "table", "--url", product)
            tell(farewell(url, product))
            await stop.wait()
            tell("Stopping.")


def unpack_sample(folder: Path) -> Path:
    """A fresh copy of the sample in the folder, with its own path in the place of the placeholder."""
    shutil.rmtree(folder, ignore_errors=True)
    with as_file(files("storaged.sample")) as sample:
        shutil.copytree(sample / "src", folder / "src")
        shutil.copytree(sample / "reports", folder / "reports")
    for path in (folder / "reports").iterdir():
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(PLACEHOLDER, str(folder)), encoding="utf-8")
    return folder


async def storectl(*arguments: str) -> None:
    """Run the client as a person would; raises QuickstartError when it fails."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "storaged_cli", *arguments)
    code = await process.wait()
    if code:
        raise QuickstartError(f"`storectl {' '.join(arguments)}` ended with exit code {code}; what it says is above.")


def farewell(url: str, product: str) -> str:
    """What to look at next."""
    path = "" if shutil.which("storectl") else f"\n  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    return f"""
The daemon serves at {url} until Ctrl-C. In another terminal:{path}
  export STORAGED_URL={product}
  storectl store FOLDER_WITH_PLIST_FILES -n my-project
  storectl runs
  storectl results my-project --details -o json
Addresses to look at:
  {url}/api/v1/products/Default/runs
  {url}/api/v1/products/Default/reports?run={RUN}
  {url}/api/v1/jobs
  {url}/readyz"""
