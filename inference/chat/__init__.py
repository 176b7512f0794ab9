"""OpenAI's chat completions, each sworn to: service, verifying client, LangChain model.

`request`, `prompt`, `completion` and `verify` are pure and shared by both sides; `http`
serves, `client` asks, `langchain_model` is for LangChain. `docs/openai.md` says how to
use them, `docs/formats.md` what is signed.
"""
