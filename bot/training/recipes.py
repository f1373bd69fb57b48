"""Recipes: values of the options of ``python -m bot train`` that belong together.

A recipe takes the place of the defaults; what is written on the command line still counts.
"""

from collections.abc import Mapping
from types import MappingProxyType

# PyTorch chatbot tutorial, "Configure models" and "Run training", with the model, the vocabulary
# and the optimisers of its other sections.
TUTORIAL: Mapping[str, object] = MappingProxyType(
    {
        "embedding": 500,
        "hidden": 500,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "attention": "dot",
        "tie_embeddings": False,
        "dropout": 0.1,
        "dropout_everywhere": False,
        "steps": 4000,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "decoder_learning_ratio": 5.0,
        "warmup": 0,
        "decay_share": 0.0,
        "weight_decay": 0.0,
        "clip": 50.0,
        "teacher_forcing": 1.0,
        "loss": "steps",
        # "Load and trim data": MAX_LENGTH 10 counts EOS, MIN_COUNT 3, nothing else is left out.
        "max_source_turns": 1,
        "max_prompt_words": 9,
        "max_reply_words": 9,
        "cut_replies": False,
        "max_reply_count": 1_000_000_000,
        "max_prompt_count": 1_000_000_000,
        "deduplicate": False,
        "offensive": "none",
        "clean": False,
        "augment": False,
        "vocabulary_kind": "word",
        "vocabulary": 1_000_000,
        "min_count": 3,
        "drop_unknown": True,
    }
)

RECIPES: Mapping[str, Mapping[str, object]] = MappingProxyType({"tutorial": TUTORIAL})
