"""``python -m bot train``: make a model."""

import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from bot.cli import corpus_options
from bot.cli import training_options as options
from bot.cli.clashes import given, refuse
from bot.cli.corpus import describe, reading_progress
from bot.cli.evaluation import write_training_report
from bot.cli.models import open_store
from bot.cli.terminal import progress_console
from bot.cli.training_progress import (
    held_out,
    progress_of,
    show_evaluation,
    show_what_is_trained,
    stop_requests,
)

KEPT_OF_BASE = (
    *("vocabulary", "vocabulary_kind", "min_count", "drop_unknown"),
    *("embedding", "hidden", "encoder_layers", "decoder_layers", "attention", "tie_embeddings"),
)


def train(
    context: typer.Context,
    run: options.Run = Path("runs/latest"),
    corpus: options.Corpus = None,
    recipe: options.Recipe = None,
    base: options.Base = None,
    resume: options.Resume = False,
    steps: options.Steps = None,
    minutes: options.Minutes = None,
    batch_size: options.BatchSize = 128,
    learning_rate: options.LearningRate = 1e-3,
    decoder_learning_ratio: options.DecoderLearningRatio = None,
    warmup: options.Warmup = 500,
    decay_share: options.DecayShare = 0.4,
    weight_decay: options.WeightDecay = 0.01,
    clip: options.Clip = 1.0,
    teacher_forcing: options.TeacherForcing = 1.0,
    loss: options.Loss = "tokens",
    evaluate_every: options.EvaluateEvery = None,
    patience: options.Patience = None,
    save_every: options.SaveEvery = None,
    vocabulary: options.Vocabulary = 6000,
    vocabulary_kind: options.VocabularyKind = "bpe",
    min_count: options.MinCount = 1,
    drop_unknown: options.DropUnknown = False,
    embedding: options.Embedding = 256,
    hidden: options.Hidden = 512,
    encoder_layers: options.EncoderLayers = 1,
    decoder_layers: options.DecoderLayers = 2,
    attention: options.Attention = "general",
    tie_embeddings: options.TieEmbeddings = True,
    dropout: options.Dropout = 0.1,
    dropout_everywhere: options.DropoutEverywhere = True,
    delimiter: corpus_options.Delimiter = "",
    encoding: corpus_options.Encoding = "",
    max_source_turns: corpus_options.MaxSourceTurns = 3,
    max_reply_words: corpus_options.MaxReplyWords = 20,
    cut_replies: corpus_options.CutReplies = True,
    max_prompt_words: corpus_options.MaxPromptWords = 0,
    max_reply_count: corpus_options.MaxReplyCount = 40,
    max_prompt_count: corpus_options.MaxPromptCount = 40,
    deduplicate: corpus_options.Deduplicate = True,
    drop: corpus_options.Drop = "",
    offensive: corpus_options.Offensive = "default",
    script: corpus_options.Script = "",
    clean: corpus_options.Clean = True,
    augment: corpus_options.Augment = True,
    reverse: corpus_options.Reverse = False,
    precision: options.Precision = "float32",
    device: options.Device = "auto",
    seed: corpus_options.Seed = 0,
) -> None:
    """Train a model on dialogue; Ctrl-C saves, and --resume goes on."""
    from bot.artifact.artifact import resolve_device
    from bot.publishing.base_reader import read_base
    from bot.training.distributed import resume_command, started_processes
    from bot.training.run import (
        RunConfig,
        check_new,
        check_patience,
        check_resumable,
        held_run,
        max_target_tokens,
        prepare,
        read_splits,
        read_tokenizer,
    )
    from bot.training.trainer import Trainer
    from bot.training.training_config import TrainingConfig, check_precision

    console = progress_console()

    def start() -> None:
        context.with_resource(held_run(run))
        check_new(run)
        check_precision(precision, resolved_device)
        words = options.vocabulary_config(context)
        model = options.model_config(context)
        start_from = None
        if base is not None:
            refuse(
                context,
                KEPT_OF_BASE,
                "A fine-tuned model keeps the vocabulary and sizes of its base",
            )
            start_from = read_base(base, open_store(None))
            model = replace(
                start_from.model, dropout=dropout, dropout_everywhere=dropout_everywhere
            )
            optimizer = "begins anew" if start_from.moments is None else "goes on, too"
            console.print(f"going on from {start_from.name}; its optimiser {optimizer}")
        with options.checked_values():
            training = TrainingConfig(
                **options.budget(context),
                batch_size=batch_size,
                learning_rate=learning_rate,
                decoder_learning_ratio=decoder_learning_ratio,
                warmup_steps=warmup,
                decay_share=decay_share,
                weight_decay=weight_decay,
                clip=clip,
                teacher_forcing=teacher_forcing,
                loss=loss,
                evaluate_every=evaluate_every,
                patience=patience,
                save_every=save_every,
                precision=precision,
                seed=seed,
            )
        corpora = corpus_options.parse_sources(corpus or ["smalltalk"], delimiter, encoding)
        mix = corpus_options.mix_config(context)
        config = RunConfig(
            corpora=corpora,
            mix=mix,
            model=model,
            training=training,
            vocabulary=words,
            max_target_tokens=max_target_tokens(mix, corpora),
            base="" if start_from is None else start_from.name,
            command=shlex.join(["python", "-m", "bot", *sys.argv[1:]]),
        )
        console.print("reading the corpora ...")
        with reading_progress(console, config.corpora) as on_bytes:
            dropped = prepare(
                run,
                config,
                lambda summary: console.print(describe(summary)),
                on_bytes=on_bytes,
                base=start_from,
            )
        for reason, count in dropped.items():
            console.print(f"left out {count:,} with {reason}")

    def go_on() -> None:
        check_resumable(run)
        changeable = {"steps", "minutes", "patience"}
        refuse(
            context,
            given(context) - {"run", "resume", "device"} - changeable,
            "A resumed run keeps its settings, all but --steps, --minutes and --patience",
        )
        changes: dict[str, Any] = {}
        if given(context) & {"steps", "minutes"}:
            changes |= options.budget(context)
        if patience is not None:
            changes["patience"] = patience
        config = RunConfig.read(run)
        context.with_resource(held_run(run))
        if changes:
            changed = replace(config, training=replace(config.training, **changes))
            if patience is not None:
                check_patience(changed.training, read_splits(run))
            changed.write(run)

    resolved_device = resolve_device(device)
    with started_processes(resolved_device) as processes:
        processes.first(go_on if resume else start)
        console.quiet = not processes.is_main
        config = RunConfig.read(run)
        tokenizer = read_tokenizer(run, config)
        trainer = Trainer(run, config.model, config.training, read_splits(run), processes)
        trainer.resume()
        show_what_is_trained(console, trainer)
        with stop_requests() as requests, progress_of(console) as on_step:
            finished = trainer.train(
                on_step,
                lambda: bool(requests),
                lambda measured: show_evaluation(console, trainer, measured, tokenizer),
            )
    if not finished:
        console.print(
            f"Saved at step {trainer.step:,}. Go on with: {resume_command(run, processes.size)}"
        )
        # As a shell reports who died of the signal: what follows after && waits for the whole run.
        raise typer.Exit(128 + (requests[0] if requests else signal.SIGINT))
    if trainer.early_stopping.is_due:
        console.print(
            "Stopped early: the held-out loss was lowest at step"
            f" {trainer.early_stopping.best_step}, and the weights of that step are what is"
            " exported."
        )
    if processes.is_main:
        console.print(held_out(run, lowest=config.training.patience is not None))
        write_training_report(run, console)
    folder = shlex.quote(str(run))
    console.print(f"Done. Publish the model with: python -m bot export {folder} --name NAME")
