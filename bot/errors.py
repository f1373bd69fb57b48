"""Every error Causerie raises on purpose.

    CauserieError                 one sentence for the user, exit code 1
    ├── UsageError                the command was given something wrong, exit code 2
    │   └── SettingsError         an environment variable is missing or wrong
    ├── TokenizerError            a tokenizer file cannot be read
    ├── CorpusError               a corpus cannot be read, or holds nothing to train on
    ├── MissingPackageError       an optional package is not installed
    ├── CheckpointError           a training checkpoint cannot be read or does not fit
    ├── DiskFullError             no room is left for a file that is written
    ├── DivergenceError           training has made numbers that are not finite
    ├── ArtifactError             a model in the store cannot be served
    │   ├── ModelNotFoundError    no such model, version or active model
    │   ├── ManifestError         the manifest is missing, malformed or names a path outside it
    │   ├── FormatVersionError    made by a newer Causerie
    │   ├── MissingFileError      a file that the manifest lists is not there
    │   ├── DigestError           a file's SHA-256 differs from the manifest's
    │   ├── SearcherError         the TorchScript file cannot be loaded
    │   ├── ParityError           the exported searcher disagrees with the model it came from
    │   └── AgreementError        the int8 searcher disagrees too often with the float32 one
    └── ServingError              a reply could not be made
        ├── BusyError             the queue is full
        ├── DeadlineError         the reply took too long
        └── SearchFailedError     the searcher raised

Each message is one sentence that says what is wrong, where, and what to do next.
"""


class CauserieError(Exception):
    """The root: ``str(error)`` is fit to show to the user as it is."""

    exit_code = 1


class UsageError(CauserieError):
    """The command line or the environment asks for something that cannot be done."""

    exit_code = 2


class SettingsError(UsageError):
    """An environment variable is missing or holds a value that is not allowed."""


class TokenizerError(CauserieError):
    """A tokenizer file cannot be read."""


class CorpusError(CauserieError):
    """A corpus cannot be read, or nothing in it is fit to train on."""


class MissingPackageError(CauserieError):
    """What was asked for needs a package that only some installations have."""


class CheckpointError(CauserieError):
    """A training checkpoint cannot be read, or belongs to another configuration."""


class DiskFullError(CauserieError):
    """The disk, a quota or a limit leaves no room for a file; no draft of it is left."""


class DivergenceError(CauserieError):
    """Training has diverged: a loss or a weight is no finite number any more."""


class ArtifactError(CauserieError):
    """A model in the store cannot be served."""


class ModelNotFoundError(ArtifactError):
    """The store has no such model or version, or none is active."""


class ManifestError(ArtifactError):
    """The manifest is missing or malformed."""


class FormatVersionError(ArtifactError):
    """The artifact was made by a newer version of Causerie."""


class MissingFileError(ArtifactError):
    """A file that the manifest lists does not exist."""


class DigestError(ArtifactError):
    """A file's SHA-256 is not the one in the manifest."""


class SearcherError(ArtifactError):
    """The searcher's TorchScript file cannot be loaded."""


class ParityError(ArtifactError):
    """The exported searcher writes other tokens than the model it was made from."""


class AgreementError(ArtifactError):
    """The int8 searcher's replies differ from the float32 one's too often, or are worse."""


class ServingError(CauserieError):
    """A reply could not be made."""


class BusyError(ServingError):
    """The engine's queue is full."""


class DeadlineError(ServingError):
    """The reply was not ready within its deadline."""


class SearchFailedError(ServingError):
    """The searcher raised; the cause is chained."""
