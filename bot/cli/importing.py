"""``python -m bot import-checkpoint``: serve a model that was trained elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from bot.cli.models import ActivateOption, Int8Option, StoreOption, open_store, publication
from bot.printable import printable


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="The checkpoint, such as 4000_checkpoint.tar.")],
    name: Annotated[str, typer.Option(help="The model's name in the store.")],
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            metavar="VOC_FILE",
            help="The voc.tar of a checkpoint of ywk991112/pytorch-chatbot. Default: the one beside"
            " the checkpoint.",
        ),
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="One line. Default: what it was imported from.")
    ] = None,
    language: Annotated[str, typer.Option(help="What it speaks.")] = "en",
    activate: ActivateOption = None,
    int8: Int8Option = True,
    store: StoreOption = None,
) -> None:
    """Publish a checkpoint of the PyTorch chatbot tutorial, or of its ancestor, in the store.

    Sizes, layers and attention are read off its tensors, wherever it was trained; nothing that the
    file may hold is run.
    """
    target = open_store(store)
    target.check_writable(name)

    from bot.publishing.export import publish
    from bot.publishing.import_card import facts, import_card
    from bot.publishing.importing import ImportedModel, compile_import
    from bot.publishing.model_card import sample_prompts, sample_replies
    from bot.publishing.quantisation import quantise

    model = ImportedModel.read(file, vocabulary)
    for label, value in facts(model):
        print(printable(f"{label + ':':16}{value}"))
    searchers = compile_import(model, quantise if int8 else None, print)
    print(searchers.int8_note)
    replies = sample_replies(model.searcher, model.tokenizer, sample_prompts())
    path = publish(
        searchers,
        model.tokenizer,
        model.config,
        target,
        name,
        card=import_card(name, model, searchers.int8_note, replies),
        description=description or f"Imported from {printable(model.file_name)}.",
        language=language,
        activate=activate,
    )
    print(publication(path, store))
