"""Invoices worked out by hand, a line each, from what the providers publish.

Host, model | USD for a million tokens: input, output, cached input, cache write, in the band that applies |
tokens: input, of it cached, of it written to the cache; output | the arithmetic, in millionths of USD | USD.
The products and sums were made with bc. A provider's first rule stands above its lines.
"""

INVOICES = """
# OpenAI, flat rates; cached input at the cached rate
api.openai.com gpt-4o | 2.5 10 1.25 2.5 | 1000 0 0; 500 | 1000 x 2.5 = 2500 + 500 x 10 = 5000; 7500 | 0.0075
api.openai.com gpt-4o | 2.5 10 1.25 2.5 | 1 0 0; 1 | 1 x 2.5 = 2.5 + 1 x 10 = 10; 12.5 | 0.0000125
api.openai.com gpt-4o | 2.5 10 1.25 2.5 | 2006 1920 0; 300 | 86 x 2.5 = 215 + 1920 x 1.25 = 2400 + 300 x 10 = 3000; 5615 | 0.005615
api.openai.com gpt-4o | 2.5 10 1.25 2.5 | 1024 1024 0; 0 | 0 x 2.5 = 0 + 1024 x 1.25 = 1280 + 0 x 10 = 0; 1280 | 0.00128
api.openai.com gpt-4o-2024-05-13 | 5 15 5 5 | 777 0 0; 333 | 777 x 5 = 3885 + 333 x 15 = 4995; 8880 | 0.00888
api.openai.com gpt-4o-mini | 0.15 0.6 0.075 0.15 | 1 0 0; 0 | 1 x 0.15 = 0.15 + 0 x 0.6 = 0; 0.15 | 0.00000015
api.openai.com gpt-4o-mini | 0.15 0.6 0.075 0.15 | 128000 0 0; 16384 | 128000 x 0.15 = 19200 + 16384 x 0.6 = 9830.4; 29030.4 | 0.0290304
api.openai.com gpt-4o-mini | 0.15 0.6 0.075 0.15 | 4739 4608 0; 211 | 131 x 0.15 = 19.65 + 4608 x 0.075 = 345.6 + 211 x 0.6 = 126.6; 491.85 | 0.00049185
api.openai.com gpt-4.1 | 2 8 0.5 2 | 1000000 0 0; 32768 | 1000000 x 2 = 2000000 + 32768 x 8 = 262144; 2262144 | 2.262144
api.openai.com gpt-4.1 | 2 8 0.5 2 | 50001 49920 0; 17 | 81 x 2 = 162 + 49920 x 0.5 = 24960 + 17 x 8 = 136; 25258 | 0.025258
api.openai.com gpt-4.1-mini | 0.4 1.6 0.1 0.4 | 12345 0 0; 6789 | 12345 x 0.4 = 4938 + 6789 x 1.6 = 10862.4; 15800.4 | 0.0158004
api.openai.com gpt-4.1-nano | 0.1 0.4 0.025 0.1 | 3 0 0; 7 | 3 x 0.1 = 0.3 + 7 x 0.4 = 2.8; 3.1 | 0.0000031
api.openai.com gpt-4.1-nano | 0.1 0.4 0.025 0.1 | 1153 1152 0; 1 | 1 x 0.1 = 0.1 + 1152 x 0.025 = 28.8 + 1 x 0.4 = 0.4; 29.3 | 0.0000293
api.openai.com gpt-4-turbo | 10 30 10 10 | 4096 0 0; 1024 | 4096 x 10 = 40960 + 1024 x 30 = 30720; 71680 | 0.07168
api.openai.com gpt-4 | 30 60 30 30 | 8000 0 0; 192 | 8000 x 30 = 240000 + 192 x 60 = 11520; 251520 | 0.25152
api.openai.com gpt-3.5-turbo | 0.5 1.5 0.5 0.5 | 16000 0 0; 385 | 16000 x 0.5 = 8000 + 385 x 1.5 = 577.5; 8577.5 | 0.0085775
api.openai.com gpt-5 | 1.25 10 0.125 1.25 | 1111 0 0; 2222 | 1111 x 1.25 = 1388.75 + 2222 x 10 = 22220; 23608.75 | 0.02360875
api.openai.com gpt-5 | 1.25 10 0.125 1.25 | 272000 271360 0; 128000 | 640 x 1.25 = 800 + 271360 x 0.125 = 33920 + 128000 x 10 = 1280000; 1314720 | 1.31472
api.openai.com gpt-5-mini | 0.25 2 0.025 0.25 | 9999 8960 0; 101 | 1039 x 0.25 = 259.75 + 8960 x 0.025 = 224 + 101 x 2 = 202; 685.75 | 0.00068575
api.openai.com gpt-5-nano | 0.05 0.4 0.005 0.05 | 1 1 0; 0 | 0 x 0.05 = 0 + 1 x 0.005 = 0.005 + 0 x 0.4 = 0; 0.005 | 0.000000005
api.openai.com gpt-5-nano | 0.05 0.4 0.005 0.05 | 400000 0 0; 1 | 400000 x 0.05 = 20000 + 1 x 0.4 = 0.4; 20000.4 | 0.0200004
# OpenAI, reasoning: its tokens are within the output
api.openai.com o1 | 15 60 7.5 15 | 2048 1024 0; 4096 | 1024 x 15 = 15360 + 1024 x 7.5 = 7680 + 4096 x 60 = 245760; 268800 | 0.2688
api.openai.com o3 | 2 8 0.5 2 | 100 0 0; 25000 | 100 x 2 = 200 + 25000 x 8 = 200000; 200200 | 0.2002
api.openai.com o3-mini | 1.1 4.4 0.55 1.1 | 317 0 0; 1999 | 317 x 1.1 = 348.7 + 1999 x 4.4 = 8795.6; 9144.3 | 0.0091443
api.openai.com o4-mini | 1.1 4.4 0.275 1.1 | 2560 2432 0; 640 | 128 x 1.1 = 140.8 + 2432 x 0.275 = 668.8 + 640 x 4.4 = 2816; 3625.6 | 0.0036256
api.openai.com o3-pro | 20 80 20 20 | 13 0 0; 8191 | 13 x 20 = 260 + 8191 x 80 = 655280; 655540 | 0.65554
# OpenAI, long context: above 272,000 input tokens every token pays the dearer rate
api.openai.com gpt-5.4 | 2.5 15 0.25 2.5 | 272000 0 0; 1000 | 272000 x 2.5 = 680000 + 1000 x 15 = 15000; 695000 | 0.695
api.openai.com gpt-5.4 | 5 22.5 0.5 5 | 272001 0 0; 1000 | 272001 x 5 = 1360005 + 1000 x 22.5 = 22500; 1382505 | 1.382505
api.openai.com gpt-5.4 | 5 22.5 0.5 5 | 1000000 999424 0; 4096 | 576 x 5 = 2880 + 999424 x 0.5 = 499712 + 4096 x 22.5 = 92160; 594752 | 0.594752
# OpenAI, models that charge for writing the cache
api.openai.com gpt-5.6-luna | 0.2 1.2 0.02 0.25 | 5000 0 4864; 200 | 136 x 0.2 = 27.2 + 4864 x 0.25 = 1216 + 200 x 1.2 = 240; 1483.2 | 0.0014832
api.openai.com gpt-5.6-luna | 0.2 1.2 0.02 0.25 | 5000 4864 0; 200 | 136 x 0.2 = 27.2 + 4864 x 0.02 = 97.28 + 200 x 1.2 = 240; 364.48 | 0.00036448
api.openai.com gpt-5.6-luna | 0.4 1.8 0.04 0.5 | 300000 100000 150000; 10 | 50000 x 0.4 = 20000 + 100000 x 0.04 = 4000 + 150000 x 0.5 = 75000 + 10 x 1.8 = 18; 99018 | 0.099018
api.openai.com gpt-6-sol | 2 10 0.2 2.5 | 272000 1000 2000; 1 | 269000 x 2 = 538000 + 1000 x 0.2 = 200 + 2000 x 2.5 = 5000 + 1 x 10 = 10; 543210 | 0.54321
# Anthropic, cache of five minutes: writing 1.25 times, reading a tenth of the input
api.anthropic.com claude-3-haiku-20240307 | 0.25 1.25 0.03 0.3 | 1001 0 0; 77 | 1001 x 0.25 = 250.25 + 77 x 1.25 = 96.25; 346.5 | 0.0003465
api.anthropic.com claude-3-haiku-20240307 | 0.25 1.25 0.03 0.3 | 4099 2048 2048; 1 | 3 x 0.25 = 0.75 + 2048 x 0.03 = 61.44 + 2048 x 0.3 = 614.4 + 1 x 1.25 = 1.25; 677.84 | 0.00067784
api.anthropic.com claude-3-5-haiku-20241022 | 0.8 4 0.08 1 | 10000 0 9000; 999 | 1000 x 0.8 = 800 + 9000 x 1 = 9000 + 999 x 4 = 3996; 13796 | 0.013796
api.anthropic.com claude-3-5-haiku-20241022 | 0.8 4 0.08 1 | 10000 9000 0; 999 | 1000 x 0.8 = 800 + 9000 x 0.08 = 720 + 999 x 4 = 3996; 5516 | 0.005516
api.anthropic.com claude-3-7-sonnet-20250219 | 3 15 0.3 3.75 | 2000 0 0; 1500 | 2000 x 3 = 6000 + 1500 x 15 = 22500; 28500 | 0.0285
api.anthropic.com claude-sonnet-4-20250514 | 3 15 0.3 3.75 | 4740 0 4735; 255 | 5 x 3 = 15 + 4735 x 3.75 = 17756.25 + 255 x 15 = 3825; 21596.25 | 0.02159625
api.anthropic.com claude-opus-4-1-20250805 | 15 75 1.5 18.75 | 3333 0 0; 1111 | 3333 x 15 = 49995 + 1111 x 75 = 83325; 133320 | 0.13332
api.anthropic.com claude-opus-4-1-20250805 | 15 75 1.5 18.75 | 120004 100000 20000; 4000 | 4 x 15 = 60 + 100000 x 1.5 = 150000 + 20000 x 18.75 = 375000 + 4000 x 75 = 300000; 825060 | 0.82506
api.anthropic.com claude-opus-4-5-20251101 | 5 25 0.5 6.25 | 7 0 0; 3 | 7 x 5 = 35 + 3 x 25 = 75; 110 | 0.00011
api.anthropic.com claude-opus-4-5-20251101 | 5 25 0.5 6.25 | 180000 150000 25000; 32000 | 5000 x 5 = 25000 + 150000 x 0.5 = 75000 + 25000 x 6.25 = 156250 + 32000 x 25 = 800000; 1056250 | 1.05625
api.anthropic.com claude-haiku-4-5-20251001 | 1 5 0.1 1.25 | 1 0 0; 1 | 1 x 1 = 1 + 1 x 5 = 5; 6 | 0.000006
api.anthropic.com claude-haiku-4-5-20251001 | 1 5 0.1 1.25 | 54321 12345 23456; 1234 | 18520 x 1 = 18520 + 12345 x 0.1 = 1234.5 + 23456 x 1.25 = 29320 + 1234 x 5 = 6170; 55244.5 | 0.0552445
# Anthropic, long context: above 200,000 input tokens, cached ones counted, all rates rise
api.anthropic.com claude-sonnet-4-5-20250929 | 3 15 0.3 3.75 | 200000 0 0; 100 | 200000 x 3 = 600000 + 100 x 15 = 1500; 601500 | 0.6015
api.anthropic.com claude-sonnet-4-5-20250929 | 6 22.5 0.6 7.5 | 200001 0 0; 100 | 200001 x 6 = 1200006 + 100 x 22.5 = 2250; 1202256 | 1.202256
api.anthropic.com claude-sonnet-4-5-20250929 | 6 22.5 0.6 7.5 | 250000 240000 5000; 2000 | 5000 x 6 = 30000 + 240000 x 0.6 = 144000 + 5000 x 7.5 = 37500 + 2000 x 22.5 = 45000; 256500 | 0.2565
api.anthropic.com claude-sonnet-4-5-20250929 | 3 15 0.3 3.75 | 199999 150000 49999; 64000 | 0 x 3 = 0 + 150000 x 0.3 = 45000 + 49999 x 3.75 = 187496.25 + 64000 x 15 = 960000; 1192496.25 | 1.19249625
# Azure, at OpenAI's rates
acme.openai.azure.com gpt-4o | 2.5 10 1.25 2.5 | 1500 1280 0; 250 | 220 x 2.5 = 550 + 1280 x 1.25 = 1600 + 250 x 10 = 2500; 4650 | 0.00465
acme.openai.azure.com gpt-4o-mini | 0.15 0.6 0.075 0.15 | 37 0 0; 41 | 37 x 0.15 = 5.55 + 41 x 0.6 = 24.6; 30.15 | 0.00003015
acme.openai.azure.com gpt-4.1-mini | 0.4 1.6 0.1 0.4 | 65536 0 0; 2048 | 65536 x 0.4 = 26214.4 + 2048 x 1.6 = 3276.8; 29491.2 | 0.0294912
acme.openai.azure.com o3-mini | 1.1 4.4 0.55 1.1 | 901 896 0; 3007 | 5 x 1.1 = 5.5 + 896 x 0.55 = 492.8 + 3007 x 4.4 = 13230.8; 13729.1 | 0.0137291
# Google, Gemini: above 200,000 input tokens the dearer rates
generativelanguage.googleapis.com gemini-2.5-pro | 1.25 10 0.125 1.25 | 200000 0 0; 1 | 200000 x 1.25 = 250000 + 1 x 10 = 10; 250010 | 0.25001
generativelanguage.googleapis.com gemini-2.5-pro | 2.5 15 0.25 2.5 | 200001 0 0; 1 | 200001 x 2.5 = 500002.5 + 1 x 15 = 15; 500017.5 | 0.5000175
generativelanguage.googleapis.com gemini-2.5-pro | 2.5 15 0.25 2.5 | 900000 800000 0; 65535 | 100000 x 2.5 = 250000 + 800000 x 0.25 = 200000 + 65535 x 15 = 983025; 1433025 | 1.433025
generativelanguage.googleapis.com gemini-2.5-flash | 0.3 2.5 0.03 0.3 | 3210 2048 0; 987 | 1162 x 0.3 = 348.6 + 2048 x 0.03 = 61.44 + 987 x 2.5 = 2467.5; 2877.54 | 0.00287754
generativelanguage.googleapis.com gemini-2.5-flash-lite | 0.1 0.4 0.01 0.1 | 11 0 0; 13 | 11 x 0.1 = 1.1 + 13 x 0.4 = 5.2; 6.3 | 0.0000063
# xAI, reasoning: its tokens are output, counted beside the completion (9 + 94)
api.x.ai grok-4 | 3 15 0.75 3 | 32 6 0; 103 | 26 x 3 = 78 + 6 x 0.75 = 4.5 + 103 x 15 = 1545; 1627.5 | 0.0016275
# Hosts of open models: no price of a cache, so cached input is input
api.groq.com llama-3.1-8b-instant | 0.05 0.08 0.05 0.05 | 6001 0 0; 499 | 6001 x 0.05 = 300.05 + 499 x 0.08 = 39.92; 339.97 | 0.00033997
api.groq.com llama-3.3-70b-versatile | 0.59 0.79 0.59 0.59 | 1234 0 0; 5678 | 1234 x 0.59 = 728.06 + 5678 x 0.79 = 4485.62; 5213.68 | 0.00521368
api.groq.com llama-3.3-70b-versatile | 0.59 0.79 0.59 0.59 | 1234 1024 0; 5678 | 210 x 0.59 = 123.9 + 1024 x 0.59 = 604.16 + 5678 x 0.79 = 4485.62; 5213.68 | 0.00521368
api.cerebras.ai llama-3.3-70b | 0.85 1.2 0.85 0.85 | 19 0 0; 23 | 19 x 0.85 = 16.15 + 23 x 1.2 = 27.6; 43.75 | 0.00004375
api.together.xyz meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo | 0.18 0.18 0.18 0.18 | 2500 0 0; 2500 | 2500 x 0.18 = 450 + 2500 x 0.18 = 450; 900 | 0.0009
api.mistral.ai mistral-large-2411 | 2 6 2 2 | 31999 0 0; 1 | 31999 x 2 = 63998 + 1 x 6 = 6; 64004 | 0.064004
api.mistral.ai codestral-latest | 0.3 0.9 0.3 0.3 | 1777 0 0; 888 | 1777 x 0.3 = 533.1 + 888 x 0.9 = 799.2; 1332.3 | 0.0013323
api.moonshot.ai kimi-k2-0905-preview | 0.6 2.5 0.15 0.6 | 16385 16384 0; 1025 | 1 x 0.6 = 0.6 + 16384 x 0.15 = 2457.6 + 1025 x 2.5 = 2562.5; 5020.7 | 0.0050207
api.x.ai grok-4 | 3 15 0.75 3 | 2222 2000 0; 1111 | 222 x 3 = 666 + 2000 x 0.75 = 1500 + 1111 x 15 = 16665; 18831 | 0.018831
api.x.ai grok-3-mini | 0.3 0.5 0.075 0.3 | 99 0 0; 98 | 99 x 0.3 = 29.7 + 98 x 0.5 = 49; 78.7 | 0.0000787
api.x.ai grok-4.3 | 1.25 2.5 0.2 1.25 | 199999 0 0; 5 | 199999 x 1.25 = 249998.75 + 5 x 2.5 = 12.5; 250011.25 | 0.25001125
api.x.ai grok-4.3 | 2.5 5 0.4 2.5 | 200000 0 0; 5 | 200000 x 2.5 = 500000 + 5 x 5 = 25; 500025 | 0.500025
"""

REPORTED = {
    "api.x.ai grok-4": {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 135,
        "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
    },
    "api.openai.com gpt-4o": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920},
        "completion_tokens_details": {"reasoning_tokens": 64},
    },
}
"""What the provider says that it counted, for the line above of the same host and model with the same prompt."""
