"""What was found in an imported checkpoint: for the terminal, and as a model card."""

from collections.abc import Sequence

from bot.publishing.importing import MAX_SOURCE_TOKENS, ImportedModel
from bot.publishing.markdown import cell, without_folders
from bot.publishing.tutorial_vocabulary import SPECIAL_COUNT

MAX_NAME_CHARACTERS = 100


def facts(model: ImportedModel) -> list[tuple[str, str]]:
    """What was found in the checkpoint, as names and values for people; a name may be anything."""
    checkpoint, config = model.checkpoint, model.config
    parameters = sum(parameter.numel() for parameter in model.searcher.parameters())
    ancestor = "pytorch-chatbot, the tutorial's ancestor"
    text = (
        "the tutorial's normalisation: lower case, no accents, letters and . ! ? only"
        if model.normalises
        else "split at white space, as its words are not what the tutorial's normalisation makes"
    )
    loss = checkpoint.loss
    return [
        ("format", ancestor if checkpoint.is_ancestor else "the PyTorch chatbot tutorial"),
        ("corpus", without_folders(checkpoint.vocabulary.name)[:MAX_NAME_CHARACTERS] or "unknown"),
        ("words", f"{len(checkpoint.vocabulary.words) - SPECIAL_COUNT:,}"),
        ("text", text),
        ("hidden size", str(config.hidden_size)),
        ("encoder layers", f"{config.encoder_layers} of two directions"),
        ("decoder layers", str(config.decoder_layers)),
        ("attention", config.attention),
        ("parameters", f"{parameters:,}"),
        ("iterations", "unknown" if checkpoint.iteration is None else f"{checkpoint.iteration:,}"),
        ("last loss", "unknown" if loss is None else f"{loss:.4f} nats a token"),
    ]


def import_card(
    name: str, model: ImportedModel, int8_note: str, replies: Sequence[tuple[str, str]]
) -> str:
    """A model card, Markdown: where the model is from, what it is, how it talks.

    :param int8_note: a sentence: how well int8 agrees with float32, or why there is no int8
    :param replies: prompts and the model's replies to them
    """
    rows = "\n".join(f"| {label} | {cell(value)} |" for label, value in facts(model))
    samples = "\n".join(f"| {cell(prompt)} | {cell(reply)} |" for prompt, reply in replies)
    return f"""# {name}

Imported from the checkpoint {cell(model.file_name)}, SHA-256 `{model.sha256}`. Nothing was
trained or rounded: the weights are the checkpoint's, in single precision, and the replies in fp32
are those of the tutorial's greedy search up to its first end of sentence. {int8_note}

| | |
|---|---|
{rows}

## Licence

Unknown. A checkpoint names neither the licence of its weights nor that of the texts it was trained
on: whoever imported it has to know both before the model is shared or served to others.

## Limits

It reads one message and nothing before it, the last {MAX_SOURCE_TOKENS - 1} words of a longer one;
the tutorial trains on sentences of nine words at most. Words that are not in its vocabulary are
left out. What it says was learnt from texts that Causerie has not seen and did not filter.

## How it talks

Greedy search in fp32, unedited.

| prompt | reply |
|---|---|
{samples}
"""
