"""`affiant serve`: OpenAI-compatible chat completions, each sworn to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from affiant.cli.console import log, split_model
from affiant.encoding import to_hex


def serve(
    model: Annotated[str, typer.Option(help="Folder, or OWNER/NAME[@REVISION].")],
    keystore: Annotated[Path, typer.Option(help="The node key's keystore file.")],
    password_env: Annotated[
        str, typer.Option(help="Environment variable with the keystore's password.")
    ] = "AFFIANT_NODE_PASSWORD",
    name: Annotated[
        str | None,
        typer.Option(help="What the model is called in requests; its folder if none."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="vllm, or transformers where vLLM has no wheel.")
    ] = "vllm",
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.")
    ] = None,
    max_context: Annotated[
        int | None, typer.Option(help="Most tokens of prompt and answer.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.")] = 1024,
    max_running: Annotated[
        int, typer.Option(help="Most requests generated at once.")
    ] = 32,
    max_waiting: Annotated[
        int, typer.Option(help="Most requests waiting besides.")
    ] = 64,
    check_gib: Annotated[
        float, typer.Option(help="Memory for all self-checks at once, in GiB.")
    ] = 4.0,
    seconds: Annotated[
        float, typer.Option(help="Longest that one request may take.")
    ] = 300.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    unsafe_template: Annotated[
        bool,
        typer.Option(
            "--unsafe-template",
            help="Serve a chat template whose turns a message can imitate.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say as one line of JSON that it listens.")
    ] = False,
) -> None:
    """Serve chat completions to OpenAI's clients, each under a receipt and a key."""
    from affiant.agents.settings.config import read_password
    from affiant.inference.keys import NodeKey

    if engine not in ("vllm", "transformers"):
        raise typer.BadParameter(f"got {engine}, expected vllm or transformers")
    for option, value in (
        ("--max-tokens", max_tokens),
        ("--max-running", max_running),
        ("--check-gib", check_gib),
        ("--seconds", seconds),
        ("--max-waiting", max_waiting + 1),
    ):
        if value <= 0:
            raise typer.BadParameter(f"got {value:g}, expected more", param_hint=option)
    password = read_password(password_env).get_secret_value()
    key = NodeKey.from_keystore(keystore, password)

    # What loads models takes seconds to import; what can be refused before, is.
    from affiant.inference.chat.node import ChatLimits
    from affiant.inference.chat.serve import ServeSettings, open_service

    folder, revision = split_model(model)
    server = open_service(
        ServeSettings(
            model=folder,
            revision=revision,
            name=name,
            engine="vllm" if engine == "vllm" else "transformers",
            dtype=dtype,
            max_context=max_context,
            limits=ChatLimits(
                running=max_running,
                waiting=max_waiting,
                max_tokens=max_tokens,
                seconds=seconds,
                check_bytes=int(check_gib * 2**30),
            ),
            host=host,
            port=port,
            unsafe_template=unsafe_template,
        ),
        key=key,
        say=lambda text: log.print(text, markup=False),
    )
    node = server.node
    told = {
        "url": f"{server.url}/v1",
        "name": node.name,
        "key": node.address,
        "model": to_hex(node.model),
        "engine": to_hex(node.engine.manifest.hash),
        "manifest": node.engine.manifest.to_json(),
    }
    with server:
        if as_json:
            typer.echo(json.dumps(told))
        else:
            typer.echo(f"serving {node.name} on {told['url']}")
            typer.echo(f"key {told['key']}: tier 0, DEV KEY, NO HARDWARE PROTECTION")
            typer.echo(f"model {told['model']}\nengine {told['engine']}")
            typer.echo(f"{node.running} at once, {max_waiting} waiting")
        sys.stdout.flush()
        server.wait()
