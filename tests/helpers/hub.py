"""PAN-X as parquet files, and a local server that hands them out as the Hugging Face hub does."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

Sentences = Sequence[tuple[Sequence[str], Sequence[str]]]

CLASSES = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
SPLITS = {"train": "train", "dev": "validation", "test": "test"}


def write_rows(path: Path, names: Sequence[str] | None = CLASSES, **columns: Any) -> Path:
    """A parquet file of these columns.

    names (Optional[Sequence[str]]): The names of the classes, to be noted in the file as the
        library `datasets` does, and so the hub's files have them; None for a file without.
    """
    table = pa.table(columns)
    if names is not None:
        tags = {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": names}}
        note = json.dumps({"info": {"features": {"ner_tags": tags}}})
        table = table.replace_schema_metadata({"huggingface": note})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def write_sentences(
    path: Path, lang: str, sentences: Sentences, names: Sequence[str] | None = CLASSES
) -> Path:
    """A parquet file of sentences, in the columns of `google/xtreme`."""
    classes = list(names or CLASSES)
    return write_rows(
        path,
        names,
        tokens=pa.array([list(words) for words, _ in sentences], pa.list_(pa.string())),
        ner_tags=pa.array(
            [[classes.index(tag) for tag in tags] for _, tags in sentences], pa.list_(pa.int64())
        ),
        langs=pa.array([[lang] * len(words) for words, _ in sentences], pa.list_(pa.string())),
    )


def write_language(
    root: Path, lang: str, splits: dict[str, Sentences], shards: int = 1, **options: Any
) -> Path:
    """The folder of a language, each split cut into as many files."""
    folder = root / f"PAN-X.{lang}"
    for split, sentences in splits.items():
        size = -(-len(sentences) // shards)
        for shard in range(shards):
            name = f"{SPLITS[split]}-{shard:05d}-of-{shards:05d}.parquet"
            part = sentences[shard * size : (shard + 1) * size]
            write_sentences(folder / name, lang, part, **options)
    return folder


@dataclass
class Hub:
    """A dataset on a hub, with the faults that a test wants. A context manager.

    root (Path): The folder of the files.
    prefix (str): What comes before each path, as on a mirror.
    """

    root: Path
    prefix: str = ""
    commit: str = "c" * 40
    files: dict[str, bytes] = field(default_factory=dict)
    altered: dict[str, bytes] = field(default_factory=dict)
    """What is sent in the place of a file, which is announced as before."""
    cut: dict[str, int] = field(default_factory=dict)
    """After how many bytes of a file the connection closes; once."""
    refusal: tuple[int, str] | None = None
    """A status and error code that each question is answered with."""
    checksums: bool = True
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """The method, the path and the range of each request."""

    def __enter__(self) -> Hub:
        self.load()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def endpoint(self) -> str:
        return self.host + self.prefix

    @property
    def bodies(self) -> list[str]:
        """The files that were asked for, with `+N` where it was from byte N on."""
        return [
            path.removeprefix("/cdn/") + span.replace("bytes=", "+").removesuffix("-")
            for method, path, span in self.requests
            if method == "GET" and path.startswith("/cdn/")
        ]

    def load(self) -> None:
        """Take the files as they are now."""
        paths = sorted(path for path in self.root.rglob("*") if path.is_file())
        self.files = {p.relative_to(self.root).as_posix(): p.read_bytes() for p in paths}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.requests.append((request.command, path, request.headers.get("Range", "")))
        if path.startswith("/cdn/"):
            self.send_file(request, path.removeprefix("/cdn/"))
            return
        questions = {
            f"{self.prefix}/api/datasets/google/xtreme/revision/": self.send_list,
            f"{self.prefix}/datasets/google/xtreme/resolve/": self.send_place,
        }
        for start, send in questions.items():
            revision, _, name = path.removeprefix(start).partition("/")
            if not path.startswith(start):
                continue
            if self.refusal is not None:
                reply(request, self.refusal[0], {"X-Error-Code": self.refusal[1]})
            elif revision not in (self.commit, "main"):
                reply(request, 404, {"X-Error-Code": "RevisionNotFound"})
            else:
                send(request, name)
            return
        reply(request, 404)

    def send_list(self, request: BaseHTTPRequestHandler, _: str) -> None:
        siblings: list[dict[str, Any]] = []
        for name, content in self.files.items():
            entry = {"rfilename": name, "size": len(content), "blobId": "b" * 40}
            if self.checksums:
                entry["lfs"] = {"sha256": digest(content), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        answer = {"id": "google/xtreme", "sha": self.commit, "siblings": siblings}
        reply(request, 200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def send_place(self, request: BaseHTTPRequestHandler, name: str) -> None:
        if name not in self.files:
            reply(request, 404, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {
            "Location": f"{self.host}/cdn/{name}",
            "X-Repo-Commit": self.commit,
            "X-Linked-Etag": f'"{digest(self.files[name])}"',
            "X-Linked-Size": str(len(self.files[name])),
            # The hub's other way to hand out files, which this server does not have.
            "X-Xet-Hash": digest(self.files[name]),
            "X-Xet-Refresh-Route": f"{self.endpoint}/api/datasets/google/xtreme/xet-read-token/x",
        }
        reply(request, 302, headers)

    def send_file(self, request: BaseHTTPRequestHandler, name: str) -> None:
        content = self.altered.get(name, self.files[name])
        span = request.headers.get("Range")
        first = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        headers = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        reply(
            request,
            206 if span else 200,
            headers if span else {},
            content[first:],
            self.cut.pop(name, None),
        )


def reply(
    request: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    cut: int | None = None,
) -> None:
    """Send an answer; of the body only the first bytes, if cut, and then close the connection."""
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body[:cut])
    if cut is not None:
        request.close_connection = True


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()
