"""A small real language model behind an OpenAI-compatible server, for demos and tests.

SmolLM2-135M-Instruct (Apache-2.0), 4 bits a weight, served by llama.cpp's own HTTP server. It needs no key, no
accelerator and no network; it answers in seconds and is often wrong. Nothing else of Regent imports this package.
"""
