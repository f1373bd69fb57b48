"""The package that pip installs, which carries the models of ``model_store``."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from command import COMMAND, ROOT, clean_environment, empty_folder

BUILD = "import setuptools.build_meta as build, sys; print(build.build_{}(sys.argv[1]))"


def build(kind: str, source: Path, into: Path) -> Path:
    """A distribution, made as pip makes it, without a download."""
    output = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), into],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return into / output.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(animal_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel puts into site-packages; it is made from a source distribution."""
    folder = tmp_path_factory.mktemp("installation")
    source = folder / "source"
    source.mkdir()
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    shutil.copytree(ROOT / "bot", source / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(animal_store, source / "model_store")  # small beside the shipped one
    with tarfile.open(build("sdist", source, folder)) as sdist:
        sdist.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    with zipfile.ZipFile(build("wheel", unpacked, folder)) as wheel:
        wheel.extractall(folder / "site-packages")
    return folder / "site-packages"


def run(installed: Path, data: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What a command of the installed package prints, far from any checkout."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        stdout=subprocess.PIPE,
        cwd=empty_folder(),
        env=clean_environment(PYTHONPATH=str(installed), XDG_DATA_HOME=str(data)),
        check=True,
    ).stdout.decode()


def test_an_installed_package_answers_with_the_model_it_carries(
    installed: Path, tmp_path: Path
) -> None:
    prompt = b"Please, number 3, tell me about the cat.\n"
    assert run(installed, tmp_path, "chat", stdin=prompt) == "The cat says meow.\n"
    assert "searcher.pt: ok" in run(installed, tmp_path, "models", "verify")


def test_an_installed_package_writes_to_the_users_folder_for_data_alone(
    installed: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in (installed / "model_store").rglob("*.*")}
    own = tmp_path / "causerie" / "models"
    assert str(own) in run(installed, tmp_path, "models", "list")
    assert not own.exists()
    run(installed, tmp_path, "models", "activate", "animals/1")
    assert (own / "active.json").is_file()
    assert {path: path.read_bytes() for path in (installed / "model_store").rglob("*.*")} == before


def test_whatever_a_checkout_has_beside_its_code_a_package_has_too(installed: Path) -> None:
    packed = {path.relative_to(installed) for path in installed.rglob("*")}
    data = [path for path in (ROOT / "bot").rglob("*.*") if "__pycache__" not in path.parts]
    assert packed >= {path.relative_to(ROOT) for path in data}
