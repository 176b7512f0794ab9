"""`affiant model`: commit to a model folder, prove and check single chunks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from affiant.cli.console import EXIT_REJECTED, log, read_file, split_model
from affiant.encoding import digest_from_hex, parse_json, to_hex
from affiant.errors import MalformedError

if TYPE_CHECKING:
    from affiant.inference.commitment import ModelCommitment

MAX_COMMITMENT_BYTES = 512 * 2**20
"""Largest commitment file read, in bytes."""

model_app = typer.Typer(
    help="Commit to a model; prove and check single chunks.", no_args_is_help=True
)

Model = Annotated[str, typer.Argument(help="Folder, or OWNER/NAME[@REVISION].")]


@model_app.command("commit")
def model_commit(
    model: Model,
    compare: Annotated[
        Path | None,
        typer.Option(help="A commitment's JSON; changed parts and chunks are named."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print all chunks; with --compare, the changes."),
    ] = False,
) -> None:
    """Commit to every byte of a model folder."""
    earlier = None if compare is None else _read_commitment(compare)
    commitment = _commit(_folder(model))
    if earlier is None:
        root = to_hex(commitment.root)
        typer.echo(json.dumps(commitment.to_json()) if as_json else root)
        return
    changes = earlier.diff(commitment)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "root": to_hex(commitment.root),
                    "earlier": to_hex(earlier.root),
                    "changes": [
                        {"kind": one.kind, "name": one.name, "chunk": one.chunk}
                        for one in changes
                    ],
                }
            )
        )
    else:
        for change in changes:
            typer.echo(str(change))
        if not changes:
            typer.echo(to_hex(commitment.root))
    if changes:
        raise typer.Exit(EXIT_REJECTED)


@model_app.command("prove")
def model_prove(
    model: Model,
    tensor: Annotated[
        str | None, typer.Option(help="Name of the tensor that the chunk is of.")
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Path of the file, inside the folder.")
    ] = None,
    header: Annotated[
        str | None, typer.Option(help="Path of the shard whose header it is.")
    ] = None,
    chunk: Annotated[int, typer.Option(help="Number of the chunk, from 0.")] = 0,
    commitment: Annotated[
        Path | None,
        typer.Option(help="The commitment's JSON, to save hashing the folder again."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the proof here instead of printing it.")
    ] = None,
    chunk_out: Annotated[
        Path | None, typer.Option(help="Write the chunk's bytes here.")
    ] = None,
) -> None:
    """Prove that one chunk belongs to the model; `model check` checks it."""
    from affiant.inference.model_proof import prove_chunk, read_chunk

    named = {"tensor": tensor, "file": file, "header": header}
    labels = [f"{kind}:{name}" for kind, name in named.items() if name is not None]
    if len(labels) != 1:
        raise typer.BadParameter("give one of --tensor, --file and --header")
    folder = _folder(model)
    whole = _commit(folder) if commitment is None else _read_commitment(commitment)
    proof = prove_chunk(whole, labels[0], chunk=chunk)
    # Before anything is written: a proof of bytes that are not there helps nobody.
    data = read_chunk(folder, proof)
    if chunk_out is not None:
        chunk_out.write_bytes(data)
    if out is None:
        # Not a byte more: a proof has one spelling.
        typer.echo(proof.to_bytes().decode(), nl=False)
    else:
        out.write_bytes(proof.to_bytes())


@model_app.command("check")
def model_check(
    proof: Annotated[Path, typer.Argument(help="File that `model prove` wrote.")],
    root: Annotated[str, typer.Option(help="The model's root: 0x and 64 digits.")],
    chunk_file: Annotated[Path, typer.Option(help="File with the chunk's bytes.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a chunk against a model's root; needs no folder and no network."""
    from affiant.inference.model_parts import CHUNK_BYTES
    from affiant.inference.model_proof import MAX_PROOF_BYTES, ChunkProof

    try:
        expected = digest_from_hex(root, what="--root")
    except MalformedError as error:
        raise typer.BadParameter(str(error)) from error
    proven = ChunkProof.from_bytes(read_file(proof, max_bytes=MAX_PROOF_BYTES))
    proven.check(root=expected, data=read_file(chunk_file, max_bytes=CHUNK_BYTES))
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "root": to_hex(expected),
                    "part": proven.part.to_json(),
                    "chunk": proven.chunk,
                    "offset": proven.offset,
                    "size": proven.size,
                }
            )
        )
    else:
        typer.echo(
            f"{proven.part.label} chunk {proven.chunk}: {proven.size} bytes from byte "
            f"{proven.offset}, in {to_hex(expected)}"
        )


@model_app.command("signature")
def model_signature(
    model: Model,
    public_key: Annotated[
        Path, typer.Option(help="The publisher's public key, PEM, on a NIST curve.")
    ],
    signature: Annotated[
        Path | None, typer.Option(help="The signature; model.sig in the folder.")
    ] = None,
) -> None:
    """Check a publisher's signature over every file, and print the model's root."""
    from affiant.inference.publisher import (
        MAX_SIGNATURE_BYTES,
        SIGNATURE_NAME,
        require_signed,
    )

    folder = _folder(model)
    content = read_file(
        signature or folder / SIGNATURE_NAME, max_bytes=MAX_SIGNATURE_BYTES
    )
    commitment = _with_progress(
        lambda progress: require_signed(
            folder, signature=content, public_key=public_key, progress=progress
        )
    )
    typer.echo(to_hex(commitment.root))


def _folder(model: str) -> Path:
    from affiant.inference.model_folder import model_folder

    name, revision = split_model(model)
    return model_folder(name, revision=revision)


def _commit(folder: Path) -> ModelCommitment:
    from affiant.inference.commitment import commit_model

    return _with_progress(lambda progress: commit_model(folder, progress=progress))


def _with_progress(
    commit: Callable[[Callable[[int, int], None]], ModelCommitment],
) -> ModelCommitment:
    """Run `commit` and show how many bytes are done."""
    with Progress(
        TextColumn("hashing"),
        BarColumn(),
        DownloadColumn(),
        console=log,
        transient=True,
    ) as bar:
        task = bar.add_task("hashing", total=None)
        return commit(lambda done, total: bar.update(task, completed=done, total=total))


def _read_commitment(path: Path) -> ModelCommitment:
    from affiant.inference.commitment import ModelCommitment

    content = read_file(path, max_bytes=MAX_COMMITMENT_BYTES)
    return ModelCommitment.from_json(
        parse_json(content, what=str(path), max_bytes=MAX_COMMITMENT_BYTES)
    )
