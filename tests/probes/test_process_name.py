"""Names of processes: the role is kept, arguments are not."""

import os
import subprocess

import pytest

from bench.probes.process_name import LENGTH, name_of, process_name


def command(*words, padding=0):
    return b"\0".join(word.encode() for word in words) + b"\0" * (1 + padding)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("VLLM::EngineCore_DP0",), "VLLM::EngineCore_DP0"),
        (("VLLM::Worker_TP3_EP3",), "VLLM::Worker_TP3_EP3"),
        (("sglang::scheduler_TP1",), "sglang::scheduler_TP1"),
        (("sglang::detokenizer",), "sglang::detokenizer"),
        (("nginx: worker process",), "nginx: worker process"),
        (("/usr/bin/python3", "/usr/local/bin/vllm", "serve", "/weights", "--api-key", "sk-1"), "vllm serve"),
        (("python3", "-m", "sglang.launch_server", "--model-path", "/m", "--api-key", "sk-1"), "sglang.launch_server"),
        (("python3.12", "-u", "-m", "vllm.entrypoints.openai.api_server"), "vllm.entrypoints.openai.api_server"),
        (("/opt/nim/bin/nim-serve", "--served-model-name", "x"), "nim-serve"),
        (("trtllm-serve", "serve", "/weights"), "trtllm-serve serve"),
        (("ollama", "runner", "--model", "/blobs/sha256-1"), "ollama runner"),
        (("/llama-server", "-m", "model.gguf"), "llama-server"),
        (("python", "-X", "dev", "-W", "ignore", "tool.py", "secret"), "tool.py"),
        (("python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"), "multiprocessing.spawn"),
        (("python", "-Pc", "key = 'sk-1'"), "python -c"),
        (("/bin/bash", "-lc", "TOKEN=sk-1 start"), "bash -c"),
        (("bash", "-o", "pipefail", "/opt/nim/start_server.sh", "sk-1"), "start_server.sh"),
    ],
)
def test_the_role_is_kept_and_no_argument_is(words, name):
    assert name_of(command(*words), "python3") == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("nginx: master process nginx -g daemon off;", "nginx: master process nginx"),
        ("nginx: master process /usr/sbin/nginx -c /etc/key", "nginx: master process"),
        ("server key=sk-1", "server"),
        ("/opt/app/server", "server"),
        ("\x1b[31mred", "python3"),
    ],
)
def test_a_title_ends_where_arguments_may_begin(title, name):
    assert name_of(command(title, padding=300), "python3") == name


def test_a_name_is_short_and_printable_whatever_a_process_calls_itself():
    assert len(name_of(command("x" * 500), "python3")) == LENGTH
    assert name_of(b"", "bad\nname") == "bad?name"
    assert name_of(command("<script>"), "comm") == "comm"
    assert name_of(b"\xff\xfe\0", "comm") == "comm"


def test_a_process_is_asked_and_one_that_is_gone_keeps_the_kernel_s_name():
    with subprocess.Popen(["sleep", "60"]) as asleep:
        assert process_name(asleep.pid, "sleep") == "sleep"
        asleep.kill()
    assert process_name(asleep.pid, "sleep") == "sleep"
    assert process_name(os.getpid(), "python") != ""
