"""Fetch XTREME's PAN-X from the Hugging Face hub, or from a mirror of it, into the corpus."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, DualNerError
from .convert import CorpusCounts, convert
from .convert_settings import ConvertSettings
from .hub import CLASSES, PREFIX, find_shards, need_parquet
from .names import SPLITS
from .urls import checksum as sha256_of

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo, RepoSibling

REPOSITORY = "google/xtreme"
REVISION = "ec5f1f46e9af79639a90684a7a70a956c4998f04"
"""The commit at which all of the repository became parquet."""

LANGUAGES = (
    *("af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he", "hi"),
    *("hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "ml", "mr", "ms", "my", "nl", "pt", "ru"),
    *("sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh"),
)
"""The languages of XTREME's PAN-X."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_OTHER_WAYS = (
    "Other ways: a mirror, named in HF_ENDPOINT; a cache filled elsewhere, in HF_HOME; a folder of"
    " PAN-X archives (`convert FOLDER OUTPUT`) or of parquet files (the same with `--form hub`)."
)


def fetch(
    output: Path,
    *,
    langs: Sequence[str] = (),
    revision: str = REVISION,
    limits: Mapping[str, int] | None = None,
    progress: bool = False,
) -> tuple[CorpusCounts, list[DualNerError]]:
    """Download each language, verify its checksums, and convert it as `convert` does.

    The files are kept in the hub's cache. What that holds whole needs no connection, if the
    revision is a commit. The variables of the hub's library work: HF_ENDPOINT, HF_HOME, HF_TOKEN,
    HF_HUB_OFFLINE.

    output (Path): The corpus folder.
    langs (Sequence[str]): The languages, all 40 if empty.
    revision (str): A commit, tag or branch of `google/xtreme`.
    limits (Optional[Mapping[str, int]]): The number of sentences by split, as for `convert`.
    progress (bool): Whether to show a progress bar, if standard error is a terminal.
    RETURNS (Tuple[CorpusCounts, List[DualNerError]]): What was written, and what went wrong. A
        fault in the files of one language leaves the others to come; any other fault ends it.
    RAISES (DualNerError): If a language is not in XTREME's PAN-X, or pyarrow is not installed.
    """
    unknown = [lang for lang in langs if lang not in LANGUAGES]
    if unknown:
        message = f"No {', '.join(unknown)} in XTREME's PAN-X, only {', '.join(LANGUAGES)}."
        raise DualNerError(f"{message} Change --langs.")
    need_parquet()
    repository = _Repository(revision)
    written: CorpusCounts = {}
    faults: list[DualNerError] = []
    for lang in langs or LANGUAGES:
        try:
            settings = ConvertSettings([lang], "hub", classes=CLASSES)
            source = repository.snapshot(lang)
            written |= convert(source, output, settings, progress=progress, limits=limits)
        except DualNerError as error:
            faults.append(error)
            if not isinstance(error, DataError):
                break
    return written, faults


class _Repository:
    """The dataset at one revision. The hub is not asked before something is to be downloaded."""

    def __init__(self, revision: str) -> None:
        self._revision = revision

    def snapshot(self, lang: str) -> Path:
        """The snapshot in the cache that holds all of the language, its checksums verified."""
        try:
            return self.find_cached(lang) or self.download(lang)
        except (OSError, ValueError) as error:
            # Ours are clear already; one with a number is the disk's.
            if isinstance(error, DualNerError) or getattr(error, "errno", None):
                raise
            raise DualNerError(self._explain(error, f"{PREFIX}{lang}")) from error

    def find_cached(self, lang: str) -> Path | None:
        """The snapshot in the cache, if it holds all of the language, undamaged."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        if not _COMMIT.fullmatch(self._revision):
            return None  # a branch moves on
        try:
            folder = snapshot_download(
                REPOSITORY, repo_type="dataset", revision=self._revision, local_files_only=True
            )
            shards = find_shards(Path(folder) / f"{PREFIX}{lang}")
        except (LocalEntryNotFoundError, DataError):
            return None
        # The cache names a file by the checksum that the hub gave for it, and links to it.
        files = chain.from_iterable(shards.values())
        whole = tuple(shards) == SPLITS and all(_has(f, f.resolve().name) for f in files)
        return Path(folder) if whole else None

    def download(self, lang: str) -> Path:
        """The snapshot in the cache, after a download of what it lacks of the language."""
        part = f"{PREFIX}{lang}"
        shape = re.compile(rf"{re.escape(part)}/[^/]+\.parquet")
        files = [f for f in self._info.siblings or [] if shape.fullmatch(f.rfilename)]
        if not files:
            message = f"no parquet files at revision {self._revision}. Change --revision."
            raise DataError(f"{REPOSITORY}/{part}", message)
        # Not by `snapshot_download`: Ctrl-C would wait for its threads, and a stalled connection.
        for file in files:
            path = self._download_file(file)
        return path.parent.parent

    def _download_file(self, file: RepoSibling) -> Path:
        from huggingface_hub import constants, hf_hub_download

        hub, name = constants.ENDPOINT, f"{REPOSITORY}/{file.rfilename}"
        if file.lfs is None:
            message = f"{hub} gives no checksum for it. Name another mirror in HF_ENDPOINT."
            raise DataError(name, message)
        download = partial(hf_hub_download, repo_type="dataset", revision=self._info.sha)
        # Once more, as it may be the file in the cache that is damaged: the library looks at sizes.
        for _ in range(2):
            path = Path(download(REPOSITORY, file.rfilename))
            if _has(path, file.lfs.sha256):
                return path
            path.resolve().unlink()
        message = f"twice {hub} sent nothing that has the checksum that it gives for it. Try again"
        raise DataError(name, f"{message} later, or name another mirror in HF_ENDPOINT.")

    @cached_property
    def _info(self) -> DatasetInfo:
        """What the hub holds. Asked once, so that all languages are of one commit."""
        from huggingface_hub import HfApi, constants

        timeout = constants.HF_HUB_ETAG_TIMEOUT
        return HfApi().dataset_info(
            REPOSITORY, revision=self._revision, files_metadata=True, timeout=timeout
        )

    def _explain(self, error: BaseException, part: str) -> str:
        import requests
        from huggingface_hub import constants, errors

        hub = constants.ENDPOINT
        if isinstance(error, errors.LocalEntryNotFoundError):
            error = error.__cause__ or error
        response = error.response if isinstance(error, errors.HfHubHTTPError) else None
        if isinstance(error, errors.RevisionNotFoundError):
            return f"{hub} has no revision {self._revision} of {REPOSITORY}. Change --revision."
        if isinstance(error, errors.OfflineModeIsEnabled):
            fault = "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, and the cache"
            fault += f" {constants.HF_HUB_CACHE} does not hold all of {part} at revision"
            fault += f" {self._revision}. Unset it, or fill the cache."
        elif isinstance(error, (requests.ConnectionError, requests.Timeout)):
            fault = f"No connection to {hub} ({_root(error)})."
        elif isinstance(error, errors.RepositoryNotFoundError) or (
            response is not None and response.status_code in (401, 403)
        ):
            fault = f"{hub} has no dataset {REPOSITORY}, or does not let you read it. Where it is"
            fault += " private or gated, ask for access and set HF_TOKEN."
        elif response is not None:
            answer = f"{response.status_code} {response.reason}"
            fault = f"{hub} answers {answer} for {part}. Try again later."
        else:
            fault = f"The download of {part} from {hub} broke off ({_root(error)}). Run the"
            fault += " command again: it goes on from where it was."
        return f"{fault} {_OTHER_WAYS}"


def _has(path: Path, checksum: str) -> bool:
    return path.is_file() and sha256_of(path) == checksum


def _root(error: BaseException) -> str:
    """What the first of a chain of errors says, in one line."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().partition("\n")[0].removesuffix(".")
