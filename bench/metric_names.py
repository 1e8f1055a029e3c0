"""The closed list of metric names: what a scenario may ask for and an analysis must be able to compute."""

from __future__ import annotations

OF_STAGES = (
    "ttft_p50_s",
    "ttft_p90_s",
    "ttft_p99_s",
    "tpot_p50_s",
    "tpot_p90_s",
    "tpot_p99_s",
    "itl_mean_s",
    "itl_max_p99_s",
    "e2e_p50_s",
    "e2e_p90_s",
    "e2e_p99_s",
    "output_tokens_per_s",
    "requests_per_s",
    "error_ratio",
    "energy_per_output_token_j",
    "output_tokens_per_j",
    "energy_net_per_output_token_j",
    "energy_per_request_j",
    "energy_net_per_request_j",
)
OF_IMAGE_TIMES = (  # known only where the image is brought anew for each launch
    "build_s",
    "push_s",
    "pull_s",
    "download_s",
    "extract_s",
    "pull_to_first_token_s",
)
OF_LAUNCHES = (
    "start_to_first_token_s",
    "start_to_ready_s",
    "peak_memory_bytes",
    "loaded_idle_power_w",
    "idle_power_w",
    *OF_IMAGE_TIMES,
    "image_wire_bytes",
    "image_disk_bytes",
)
METRICS = (*OF_STAGES, *OF_LAUNCHES)
