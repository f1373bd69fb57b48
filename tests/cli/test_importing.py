"""``import-checkpoint``, mostly as a process."""

import re
from pathlib import Path

import pytest
import torch
from command import bot
from tutorial_model import TutorialModel, pairs, trained
from typer.testing import CliRunner

from bot.artifact.store import ModelStore
from bot.cli import app


def test_a_checkpoint_is_imported_and_talked_to(tmp_path: Path) -> None:
    model = trained("dot", 24, 1, 1)
    path, store = model.save(tmp_path / "100_checkpoint.tar"), tmp_path / "store"
    result = bot("import-checkpoint", path, "--name=mine", f"--store={store}")
    output = result.stdout.decode()
    assert result.returncode == 0, result.stderr.decode()
    for found in ("words:          207", "hidden size:    24", "attention:      dot", "100\n"):
        assert found in output
    assert f"MODEL_STORE={store} python -m bot chat --model mine" in output
    note = r"There is no int8 variant: the vocabulary has all words of only \d+ exchanges"
    assert re.search(note, output)
    assert re.search(note, (store / "mine" / "1" / "MODEL_CARD.md").read_text("utf-8"))
    prompt, _ = pairs()[0]
    chat = bot("chat", "--model=mine", stdin=f"{prompt}\n".encode(), MODEL_STORE=str(store))
    expected = " ".join(model.reply(prompt, 40))
    assert chat.stdout.decode().replace(" ", "").strip() == expected.replace(" ", "")


def test_a_version_is_activated_only_if_wanted(tmp_path: Path) -> None:
    path = TutorialModel("dot", 4, 1, 1).save(tmp_path / "a.tar")
    options = ("--name=mine", "--no-activate", "--description=From home.", "--language=de")
    options += ("--no-int8",)
    arguments = ["import-checkpoint", str(path), *options, f"--store={tmp_path / 'store'}"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (version,) = ModelStore(tmp_path / "store").versions()
    assert not version.active
    assert "left out with --no-int8" in result.output
    manifest = (version.path / "manifest.json").read_text()
    assert '"From home."' in manifest
    assert '"language": "de"' in manifest


def test_a_vocabulary_cannot_command_a_terminal(tmp_path: Path) -> None:
    values = TutorialModel("dot", 4, 1, 1).checkpoint()
    voc = values["voc_dict"]
    evil = ("\x1b[2J", "\x9b2J", "\x1b]0;owned\a", "\u202e", "\x7f", "\r")
    words = [f"w{i}{evil[i % len(evil)]}" for i in range(len(voc["index2word"]) - 3)]
    numbered = [*list(voc["index2word"].values())[:3], *words]
    values["voc_dict"] = voc | {
        "index2word": dict(enumerate(numbered)),
        "word2index": {word: i for i, word in enumerate(numbered) if i > 2},
        "name": "\x1b[2J",
    }
    path, store = tmp_path / "a\x1b[2J.tar", tmp_path / "store"
    torch.save(values, path)
    arguments = ["--name=evil", f"--store={store}", "--no-int8"]
    imported = CliRunner().invoke(app, ["import-checkpoint", str(path), *arguments])
    assert imported.exit_code == 0, imported.output
    shown = CliRunner().invoke(app, ["models", "show", "evil", f"--store={store}"])
    assert "How it talks" in shown.output
    chat = bot(
        *("chat", "--model=evil", "--show-scores", "--beam=2"),
        stdin=f"{words[1]}\n/attention\n/beam \x1b[2J\n".encode(),
        MODEL_STORE=str(store),
    )
    said = chat.stdout.decode()
    assert re.search(r"w\d", said), chat.stderr.decode()
    for text in (imported.output, shown.output, said, chat.stderr.decode()):
        assert not [c for c in text if not c.isprintable() and c not in "\n\t"]


@pytest.mark.parametrize("kind", ["folder", "foreign", "name"])
def test_what_cannot_be_imported_is_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tar"
    if kind == "folder":
        path.mkdir()
    elif kind == "foreign":
        torch.save(torch.nn.Linear(1, 1).state_dict(), path)
    name = "../mine" if kind == "name" else "mine"
    store = tmp_path / "store"
    result = bot("import-checkpoint", path, f"--name={name}", f"--store={store}")
    assert result.returncode == (2 if kind == "name" else 1)
    error = result.stderr.decode()
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert not store.exists()
