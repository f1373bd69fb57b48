"""The searcher outside Python: the example is compiled and writes the same tokens."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from command import ROOT

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import SEARCHER_FILE
from bot.artifact.store import ModelStore
from bot.settings import SHIPPED_STORE

PROMPTS = ["hello!", "I'm so tired today", "what is the capital of Australia?", "why?", ""]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example; takes about twenty seconds and a gigabyte."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ here")
    program = tmp_path_factory.mktemp("cpp") / "causerie"
    torch_folder = Path(torch.__file__).parent
    libraries = torch_folder / "lib"
    if not (torch_folder / "include/torch/script.h").exists():
        pytest.skip("this torch was installed without its C++ headers")
    result = subprocess.run(
        [
            compiler,
            "-std=c++20",
            "-O0",
            f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
            *("-isystem", torch_folder / "include"),
            *("-isystem", torch_folder / "include/torch/csrc/api/include"),
            *("-Wall", "-Wextra", "-Werror"),
            ROOT / "examples/cpp/main.cpp",
            *("-o", program),
            *(f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-ltorch", "-ltorch_cpu", "-lc10"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return program


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(ModelStore(SHIPPED_STORE).resolve())


def decode(program: Path, *arguments: object, lines: str = "") -> subprocess.CompletedProcess[str]:
    searcher = ModelStore(SHIPPED_STORE).resolve() / SEARCHER_FILE
    return subprocess.run(
        [program, searcher, *map(str, arguments)],
        input=lines,
        capture_output=True,
        text=True,
        check=False,
    )


def test_sources_on_standard_input_get_the_tokens_that_python_writes(
    program: Path, artifact: Artifact
) -> None:
    sources = [artifact.tokenizer.encode_source(prompt) for prompt in PROMPTS]
    lines = "".join(" ".join(map(str, ids)) + "\n" for ids in sources)
    result = decode(program, 40, lines=lines)
    assert result.returncode == 0, result.stderr
    replies = [[int(word) for word in line.split()] for line in result.stdout.splitlines()]
    assert replies == [artifact.search([ids], 40)[0] for ids in sources]
    assert len(set(map(tuple, replies))) > 2


def test_a_source_in_the_arguments_gets_its_reply_up_to_the_given_length(
    program: Path, artifact: Artifact
) -> None:
    source = artifact.tokenizer.encode_source(PROMPTS[0])
    result = decode(program, 3, *source)
    assert [int(word) for word in result.stdout.split()] == artifact.search([source], 3)[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage"),
        ((40, "hello"), "not a list of ids"),
        *(
            ((length, 2), "MAX_LENGTH is not a whole number")
            for length in ("many", "4x", "", 0, -1)
        ),
        ((40, 99_999_999, 2), "index out of range"),
        ((40, -1, 2), "index out of range"),
    ],
    ids=str,
)
def test_what_it_cannot_read_is_one_line_and_an_exit_code(
    program: Path, arguments: tuple[object, ...], words: str
) -> None:
    result = decode(program, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert words in line
