"""Models to fine-tune: a run's folder, a published version, a checkpoint of the tutorial."""

from pathlib import Path

import torch
from torch import Tensor

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import MANIFEST_FILE
from bot.artifact.store import ModelStore
from bot.data.vocabulary import VocabularyConfig
from bot.errors import CheckpointError, ModelNotFoundError, UsageError
from bot.model.seq2seq import ModelConfig, Seq2Seq
from bot.publishing.importing import ImportedModel
from bot.publishing.tutorial_optimizer import moments_of
from bot.text.tokenizer import PAD_ID, Tokenizer
from bot.training import checkpoint
from bot.training.base import Base
from bot.training.run import RunConfig, read_tokenizer, read_weights

QUERY_PROJECTION = "decoder.attention.query_projection.weight"


def read_base(base: str, store: ModelStore) -> Base:
    """Read a model to go on from; a path that exists is taken for that, whatever the store holds.

    :param base: the folder of a run or of a published version, the file of a checkpoint of the
        PyTorch chatbot tutorial or of its ancestor, or a version's ``name`` or ``name/version``
    :param store: where versions are
    :raises UsageError: if there is no such model
    :raises CheckpointError: if it cannot be read, or training could not go on from it
    :raises ArtifactError: if a file of a published version is not what was published
    """
    path = Path(base)
    if (path / MANIFEST_FILE).exists():
        found = _of_version(path)
    elif (path / checkpoint.RUN_FILE).exists():
        found = _of_run(path)
    elif path.is_dir():
        raise UsageError(
            f"{base} is the folder of neither a run nor a published version; give one of these, or"
            " a file such as 4000_checkpoint.tar."
        )
    elif path.exists():
        found = _of_checkpoint(path)
    else:
        try:
            directory = store.resolve(base)
        except (ModelNotFoundError, UsageError) as error:
            raise UsageError(
                f"There is no run, checkpoint or published model {base}; give the folder of a run,"
                " a file such as 4000_checkpoint.tar, or what `python -m bot models list` shows."
            ) from error
        found = _of_version(directory)
    query = found.weights.get(QUERY_PROJECTION)
    if query is not None and not query.any():
        raise CheckpointError(
            f"{base} scores attention as pytorch-chatbot's concat does, without a tanh, and train"
            " has no such score; give a model with another one."
        )
    return found


def _of_run(run: Path) -> Base:
    config = RunConfig.read(run)
    return Base(
        str(run), config.model, config.vocabulary, read_tokenizer(run, config), read_weights(run)
    )


def _of_version(directory: Path) -> Base:
    """The weights are those of the reference searcher, which every digest was checked before."""
    artifact = Artifact.load(directory, "cpu", "fp32")
    manifest, weights = artifact.manifest, artifact.weights()
    try:
        model = ModelConfig(**manifest.model)
        _check_shapes(model, weights)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{directory} cannot be fine-tuned: its weights are not those of a model of the sizes"
            f" in {MANIFEST_FILE}; give the run that it was exported from."
        ) from error
    tokenizer = artifact.tokenizer
    return Base(
        f"{manifest.name}/{manifest.version}", model, _vocabulary(tokenizer), tokenizer, weights
    )


def _check_shapes(model: ModelConfig, weights: dict[str, Tensor]) -> None:
    """
    :raises ValueError: if the weights are not those of a model of these sizes
    """
    with torch.device("meta"):  # whatever sizes a file claims, nothing of them is made
        expected = Seq2Seq(model, PAD_ID).state_dict()
    if {name: tensor.shape for name, tensor in expected.items()} != {
        name: tensor.shape for name, tensor in weights.items()
    }:
        raise ValueError("other shapes")


def _of_checkpoint(path: Path) -> Base:
    imported = ImportedModel.read(path)
    return Base(
        str(path),
        imported.config,
        _vocabulary(imported.tokenizer),
        imported.tokenizer,
        imported.searcher.model.state_dict(),
        moments_of(imported.checkpoint),
    )


def _vocabulary(tokenizer: Tokenizer) -> VocabularyConfig:
    """Of what kind it is; a model of words learns nothing from those that it does not know."""
    kind = tokenizer.kind
    return VocabularyConfig(kind, tokenizer.vocabulary_size, drop_unknown=kind != "bpe")
